"""``python -m cos token``."""

from datetime import timedelta
from typing import Final

import click
from sqlalchemy.ext.asyncio import AsyncSession

from cos.cli.database import in_transaction
from cos.cli.outcome import configuration
from cos.cli.output import as_text, json_option, print_rows
from cos.cli.parameters import TEXT
from cos.models import ApiToken
from cos.models.access_scope import AccessScope
from cos.services.access import tokens
from cos.services.access.credential import Credential
from cos.services.access.tokens import NewToken
from cos.settings import DatabaseSettings

__all__ = ["command"]

LONGEST_NAME: Final = 255
MOST_DAYS: Final = 3650
COLUMNS: Final = ("name", "scopes", "state", "created_at", "expires_at", "last_used_at")


class _Name(click.ParamType[str]):
    name = "name"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return ``value``; names are printed and logged, so they are one line of real text."""
        if value.strip() != value or not value.isprintable() or not 0 < len(value) <= LONGEST_NAME:
            self.fail(
                f"{as_text(value)!r} is no name: 1 to {LONGEST_NAME} printable characters, no space"
                " at either end.",
                param,
                ctx,
            )
        return value


@click.group(no_args_is_help=True)
def command() -> None:
    """Create, list and revoke the tokens that open the interface.

    Once there is a token, also a revoked one, every request needs one. COS_API_TOKEN is one that
    stands in the environment of the service, and in no list.
    """


@command.command(short_help="Create a token and print it.")
@click.argument("name", type=_Name())
@click.option("--read-only", is_flag=True, help="Give the scope read, and not write.")
@click.option(
    "--expires",
    "days",
    metavar="DAYS",
    type=click.IntRange(1, MOST_DAYS),
    help="End it after so many days.  [default: never]",
)
def create(name: str, *, read_only: bool, days: int | None) -> None:
    """Create a token and print it: once, on standard output, and nothing else there."""
    scopes = frozenset({AccessScope.READ} if read_only else AccessScope)
    lifetime = None if days is None else timedelta(days=days)

    async def work(session: AsyncSession) -> tuple[ApiToken, Credential]:
        return await tokens.create(session, NewToken(name, scopes, lifetime))

    token, credential = in_transaction(configuration(DatabaseSettings), work)
    click.echo(credential.text)
    end = "until it is revoked" if days is None else f"until {as_text(token.expires_at)}"
    click.echo(
        f"The token {name!r} ({', '.join(token.scopes)}) is good {end}. This is the only time that"
        " it is shown: keep it now.\n"
        "Requests carry it in a header: `Authorization: Bearer TOKEN`. From now on every request"
        " needs a token.",
        err=True,
    )


@command.command("list", short_help="List all tokens.")
@json_option
def list_tokens(*, as_json: bool) -> None:
    """List all tokens, also those that are over; without their secrets, which nobody has."""
    found = in_transaction(configuration(DatabaseSettings), tokens.everyone)
    rows = [
        {
            "id": str(token.id),
            "name": token.name,
            "scopes": token.scopes,
            "state": _state(token, is_good=is_good),
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
            "revoked_at": token.revoked_at,
        }
        for token, is_good in found
    ]
    print_rows(rows, COLUMNS, as_json=as_json, empty="No token was ever created.")


@command.command(short_help="Revoke a token.")
@click.argument("name", type=TEXT)
def revoke(name: str) -> None:
    """Revoke a token, at once and for ever, and end the sessions that it opened."""

    async def work(session: AsyncSession) -> tuple[ApiToken, bool]:
        return await tokens.revoke(session, name)

    token, is_first = in_transaction(configuration(DatabaseSettings), work)
    if is_first:
        click.echo(f"The token {name!r} is revoked.")
    else:
        click.echo(f"The token {name!r} was revoked already, {as_text(token.revoked_at)}.")


def _state(token: ApiToken, *, is_good: bool) -> str:
    if token.revoked_at is not None:
        return "revoked"
    return "good" if is_good else "expired"
