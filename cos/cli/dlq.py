"""``python -m cos dlq``."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import click
from sqlalchemy.ext.asyncio import AsyncSession

from cos.cli.database import in_transaction
from cos.cli.examples import examples
from cos.cli.outcome import NOT_DONE, configuration, fail
from cos.cli.output import as_text, json_option, print_rows
from cos.cli.parameters import TEXT, yes_option
from cos.models import DeadLetter
from cos.services import dead_letters
from cos.settings import DatabaseSettings

__all__ = ["command"]

COLUMNS: Final = (
    "id",
    "group",
    "type",
    "module_id",
    "sequence",
    "attempts",
    "replays",
    "last_failed_at",
    "reason",
)
LETTER_ID: Final = click.IntRange(1, 2**63 - 1)
ids_argument = click.argument("ids", nargs=-1, type=LETTER_ID, metavar="[ID]...")
group_option = click.option("--group", type=TEXT, help="Only those of this group of subscribers.")
all_option = click.option("--all", "everything", is_flag=True, help="All, or all of --group.")


@click.group()
def command() -> None:
    """Look into the dead letters, replay them, drop them."""


@command.command(
    "list",
    epilog=examples(
        "dlq list",
        "dlq list --group GROUP --json",
    ),
)
@group_option
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def list_(group: str | None, limit: int, *, as_json: bool) -> None:
    """List the dead letters, newest first."""

    async def read(session: AsyncSession) -> Sequence[DeadLetter]:
        return (await dead_letters.page(session, limit=limit, group=group)).letters

    letters = in_transaction(configuration(DatabaseSettings), read)
    print_rows(
        [_row(letter) for letter in letters],
        COLUMNS,
        as_json=as_json,
        empty="There is no dead letter.",
    )


@command.command(
    epilog=examples(
        "dlq show 17",
    )
)
@click.argument("letter_id", type=LETTER_ID, metavar="ID")
@json_option
def show(letter_id: int, *, as_json: bool) -> None:
    """Show one dead letter, with the event or what stood in its place."""

    async def read(session: AsyncSession) -> DeadLetter:
        return await dead_letters.get(session, letter_id)

    row = _row(in_transaction(configuration(DatabaseSettings), read))
    if as_json:
        print_rows([row], COLUMNS, as_json=True, empty="")
        return
    fields: dict[str, str] = row.pop("fields")
    for name, value in row.items():
        click.echo(f"{name.replace('_', ' ')}: {as_text(value)}")
    click.echo("fields of the entry:")
    for name, value in fields.items():
        click.echo(f"  {as_text(name)}: {as_text(value)}")


@command.command(
    epilog=examples(
        "dlq replay 17 18",
        "dlq replay --all --group GROUP",
    )
)
@ids_argument
@all_option
@group_option
@yes_option
def replay(ids: tuple[int, ...], group: str | None, *, everything: bool, yes: bool) -> None:
    """Have running subscribers handle dead letters again.

    One that succeeds is gone; one that fails stays, with the new reason.
    """
    _check(ids, group, everything=everything)

    async def mark(session: AsyncSession) -> int:
        for letter_id in ids:
            await dead_letters.request_replay(session, letter_id)
        return len(ids) or await dead_letters.request_replays(session, group)

    done = _change("replayed", mark, ids, group, yes=yes)
    click.echo(f"Running subscribers replay {done} dead letters.")


@command.command(
    epilog=examples(
        "dlq drop 17",
        "dlq drop --all --group GROUP --yes",
    )
)
@ids_argument
@all_option
@group_option
@yes_option
def drop(ids: tuple[int, ...], group: str | None, *, everything: bool, yes: bool) -> None:
    """Delete dead letters for good."""
    _check(ids, group, everything=everything)

    async def delete(session: AsyncSession) -> int:
        for letter_id in ids:
            await dead_letters.drop(session, letter_id)
        return len(ids) or await dead_letters.drop_all(session, group)

    done = _change("dropped", delete, ids, group, yes=yes)
    click.echo(f"{done} dead letters are dropped.")


def _check(ids: tuple[int, ...], group: str | None, *, everything: bool) -> None:
    if bool(ids) == everything:
        raise click.UsageError("Name dead letters by their ids, or all of them with --all.")
    if group is not None and not everything:
        raise click.UsageError("--group goes with --all; an id names one dead letter already.")


def _change(
    what: str,
    change: Callable[[AsyncSession], Awaitable[int]],
    ids: tuple[int, ...],
    group: str | None,
    *,
    yes: bool,
) -> int:
    """Ask, unless ``yes``, and return how many were changed; end the command if there are none."""
    settings = configuration(DatabaseSettings)

    async def count(session: AsyncSession) -> int:
        return await dead_letters.count(session, group)

    found = len(set(ids)) or in_transaction(settings, count)
    if not found:
        fail(NOT_DONE, f"There is no dead letter{f' of {group}' if group else ''}.")
    if not yes and not click.confirm(f"Shall {found} dead letters be {what}?", err=True):
        fail(NOT_DONE, "Nothing was changed.")
    return in_transaction(settings, change)


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "group": letter.group_name,
        "event_id": letter.event_id,
        "type": letter.type,
        "module_id": letter.module_id,
        "sequence": letter.sequence,
        "occurred_at": letter.occurred_at,
        "entry": letter.entry,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "replays": letter.replays,
        "first_failed_at": letter.first_failed_at,
        "last_failed_at": letter.last_failed_at,
        "replay_requested_at": letter.replay_requested_at,
        "fields": letter.fields,
    }
