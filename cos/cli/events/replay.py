"""``python -m cos events replay``."""

from datetime import datetime
from uuid import UUID

import click
from sqlalchemy.ext.asyncio import AsyncSession

from cos.cli.database import in_transaction
from cos.cli.examples import examples
from cos.cli.outcome import NOT_DONE, configuration, fail
from cos.cli.parameters import TEXT, TIME, yes_option
from cos.services import event_log
from cos.services.event_log import Selection
from cos.settings import DatabaseSettings

__all__ = ["command"]


@click.command(
    epilog=examples(
        "events replay --since 1h",
        "events replay --group GROUP --module MODULE_ID",
        "events replay --group GROUP --since 2030-01-31T12:00 --yes",
    )
)
@click.option("--module", "module_id", type=click.UUID, help="Only those of this module.")
@click.option("--since", type=TIME, help="Only those that happened at this time or later.")
@click.option("--group", type=TEXT, help="Have this group of subscribers handle them again.")
@yes_option
def command(
    module_id: UUID | None, since: datetime | None, group: str | None, *, yes: bool
) -> None:
    """Publish retained events again, or have a group handle them again.

    Without --group they go through the streams once more; every group drops what it has done. With
    --group its progress is set back, and it handles everything from the first of them on.
    """
    settings = configuration(DatabaseSettings)
    selection = Selection(module_id=module_id, since=since)

    async def count(session: AsyncSession) -> int:
        if group is None:
            return await event_log.count(session, selection)
        return await event_log.count_done(session, group, selection)

    async def act(session: AsyncSession) -> int:
        if group is None:
            return await event_log.republish(session, selection)
        return await event_log.rewind(session, group, selection)

    found = in_transaction(settings, count)
    if not found:
        fail(
            NOT_DONE,
            "No event is selected, and nothing was changed.\n"
            "  Usually: they are not retained any more, or the group has not handled them yet.\n"
            "  Run now: python -m cos events list",
        )
    what = "publish them again" if group is None else f"have {group} handle them again"
    click.echo(f"Selected events: {found}", err=True)
    if not yes and not click.confirm(f"Shall the control center {what}?", err=True):
        fail(NOT_DONE, "Nothing was changed.")
    done = in_transaction(settings, act)
    if group is None:
        click.echo(f"A running control center publishes {done} events again.")
    else:
        click.echo(f"Running subscribers of {group} handle events of {done} modules again.")
