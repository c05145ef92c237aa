"""``python -m cos events tail``."""

import asyncio
import json
import os
import sys
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

import click
from redis.exceptions import RedisError

from cos.cli.examples import examples
from cos.cli.outcome import ENVIRONMENT_FAILED, configuration, fail
from cos.cli.output import as_text
from cos.cli.parameters import TEXT, TimeType
from cos.db.redis_client import service_redis
from cos.events.event import Event, MalformedEventError
from cos.events.subscribing.entry import Entry, read_event
from cos.events.subscribing.following import STREAM_ID, follow
from cos.settings import Settings

__all__ = ["command"]


class _Since(click.ParamType[str]):
    name = "ID|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if STREAM_ID.fullmatch(value):
            return str(value)
        moment: datetime = TimeType().convert(value, param, ctx)
        # Ids are milliseconds since 1970; the one before lets the first of this time in.
        return f"{max(0, round(moment.timestamp() * 1000) - 1)}-{2**32}"


@dataclass(frozen=True, slots=True)
class _Wanted:
    module_id: UUID | None
    kind: str | None

    def __call__(self, event: Event) -> bool:
        return self.module_id in {None, event.module_id} and self.kind in {None, event.type}


@click.command(
    epilog=examples(
        "events tail",
        "events tail --since 15m --type health.changed",
        "events tail --json --count 1 --module MODULE_ID",
    )
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one document a line.")
@click.option("--since", type=_Since(), help="Begin behind this entry, or with this time.")
@click.option("--module", "module_id", type=click.UUID, help="Only those of this module.")
@click.option("--type", "kind", type=TEXT, help="Only those of this type, such as health.changed.")
@click.option("--count", type=click.IntRange(1), help="End after so many.")
def command(
    since: str | None,
    module_id: UUID | None,
    kind: str | None,
    count: int | None,
    *,
    as_json: bool,
) -> None:
    """Print events as they are published, until Ctrl-C.

    It begins with what is published from now on, and goes on when Redis was away.
    """
    settings = configuration(Settings)
    try:
        asyncio.run(_print(settings, since, _Wanted(module_id, kind), count, as_json=as_json))
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        _quietly()
    except (RedisError, OSError) as error:
        _unreachable(settings, error)


async def _print(
    settings: Settings, since: str | None, wanted: _Wanted, count: int | None, *, as_json: bool
) -> None:
    redis = service_redis(settings)

    def lost(error: Exception) -> None:
        click.echo(
            f"Redis {settings.redis_address} does not answer: {error}\n"
            "  Usually: it restarts. It is asked again each second; end with Ctrl-C.",
            err=True,
        )

    printed = 0
    try:
        async with aclosing(follow(redis, since=since, on_lost=lost)) as entries:
            async for entry in entries:
                event = _event(entry)
                if event is None or not wanted(event):
                    continue
                click.echo(_as_json(entry, event) if as_json else _as_line(event))
                printed += 1
                if printed == count:
                    return
    finally:
        await redis.aclose()


def _event(entry: Entry) -> Event | None:
    try:
        return read_event(entry.fields)
    except MalformedEventError as error:
        click.echo(f"{entry.place} is no event: {error}", err=True)
        return None


def _as_json(entry: Entry, event: Event) -> str:
    return json.dumps({"entry": entry.place, **asdict(event)}, default=_plain)


def _as_line(event: Event) -> str:
    payload = json.dumps(event.payload, ensure_ascii=False)
    parts = (event.occurred_at, event.type, event.module_id, event.sequence, payload)
    return "  ".join(map(as_text, parts))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _quietly() -> None:
    # Who read has gone; without this, Python would complain when it closes standard output.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unreachable(settings: Settings, error: Exception) -> NoReturn:
    fail(
        ENVIRONMENT_FAILED,
        f"Redis {settings.redis_address} cannot be read: {error}\n"
        "  Usually: it is not running, or the password is wrong.\n"
        "  Run now: python -m cos events tail, when Redis answers;"
        " python -m cos events list reads the database",
    )
