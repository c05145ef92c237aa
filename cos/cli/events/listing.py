"""``python -m cos events list``."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final
from uuid import UUID

import click
from sqlalchemy.ext.asyncio import AsyncSession

from cos.cli.database import in_transaction
from cos.cli.examples import examples
from cos.cli.outcome import configuration
from cos.cli.output import json_option, print_rows
from cos.cli.parameters import TEXT, TIME
from cos.events.outbox import event_of
from cos.models import OutboxEvent
from cos.services import event_log
from cos.services.event_log import Selection
from cos.settings import DatabaseSettings

__all__ = ["command"]

COLUMNS: Final = ("position", "occurred_at", "type", "module_id", "sequence", "published_at")
MAX_BIGINT: Final = 2**63 - 1


@click.command(
    epilog=examples(
        "events list --since 15m",
        "events list --module MODULE_ID --json",
        "events list --after 0 --limit 1000",
    )
)
@click.option("--module", "module_id", type=click.UUID, help="Only those of this module.")
@click.option("--type", "kind", type=TEXT, help="Only those of this type, such as health.changed.")
@click.option("--since", type=TIME, help="Only those that happened at this time or later.")
@click.option(
    "--after",
    type=click.IntRange(0, MAX_BIGINT),
    metavar="POSITION",
    help="Oldest first, from behind this position.",
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000))
@json_option
def command(
    module_id: UUID | None,
    kind: str | None,
    since: datetime | None,
    after: int | None,
    limit: int,
    *,
    as_json: bool,
) -> None:
    """List the retained events, newest first."""

    async def read(session: AsyncSession) -> Sequence[OutboxEvent]:
        page = await event_log.page(
            session,
            Selection(module_id=module_id, type=kind, since=since),
            limit=limit,
            after=after,
            oldest_first=after is not None,
        )
        return page.events

    rows = [
        {
            "position": row.position,
            **asdict(event_of(row)),
            "payload": dict(row.payload),
            "published_at": row.published_at,
        }
        for row in in_transaction(configuration(DatabaseSettings), read)
    ]
    print_rows(rows, COLUMNS, as_json=as_json, empty="No retained event is selected.")
