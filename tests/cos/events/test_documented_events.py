"""docs/control-center.md shows what is really published."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession

from cos.events.event import LIVE_CHANNEL, PARTITIONS, EventType, stream_name, to_fields
from cos.events.outbox import announce
from cos.services import modules
from cos.services.modules import NewModule
from cos.settings import Settings
from tests.cos.events.relays import published, relay_of
from tests.cos.factories import ModuleFactory

PAGE = (Path(__file__).parents[3] / "docs/control-center.md").read_text()
DOCUMENT = PAGE.partition("\n## Events\n")[2].partition("\n## ")[0]
EXAMPLES: list[dict[str, Any]] = [
    json.loads(block)
    for block in re.findall(r"^```json\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
]
HEALTH = next(example for example in EXAMPLES if example["type"] == "health.changed")


def _shape(value: object) -> object:
    """Return the form of a message: names and types; what a module configures is its own."""
    if not isinstance(value, dict):
        return type(value).__name__
    return {
        name: "anything" if name in {"config", "details"} else _shape(part)
        for name, part in value.items()
    }


async def _live(session: AsyncSession, redis: Redis, settings: Settings) -> list[dict[str, Any]]:
    """Do all that can happen to a module, and return what was told on the live channel."""
    async with redis.pubsub(ignore_subscribe_messages=True) as live:
        await live.subscribe(LIVE_CHANNEL)
        await live.get_message(timeout=5)
        module = await modules.register(session, NewModule(**ModuleFactory.payload()))
        module_id, version = module.id, module.version
        await modules.change(session, module_id, {"version": f"{version}.1"})
        # What the services of health write; here for its form.
        module.event_sequence += 1
        announce(
            session,
            EventType.HEALTH_CHANGED,
            module_id=module_id,
            sequence=module.event_sequence,
            payload=HEALTH["payload"],
        )
        await session.flush()
        await modules.remove(session, module_id)
        await session.commit()
        async with relay_of(settings) as relay:
            await relay.round()
        messages = [await live.get_message(timeout=5) for _ in range(4)]
    return [json.loads(message["data"]) for message in messages if message]


async def test_every_example_has_the_form_of_what_is_published(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    told = await _live(async_db_session, async_redis_client, settings)

    assert [_shape(example) for example in EXAMPLES] == [_shape(message) for message in told]
    assert [example["type"] for example in EXAMPLES] == [message["type"] for message in told]
    assert {example["type"] for example in EXAMPLES} == set(EventType)


async def test_the_fields_of_an_entry_are_those_of_the_table(
    settings: Settings, async_db_session: AsyncSession, async_redis_client: Redis
) -> None:
    await _live(async_db_session, async_redis_client, settings)
    found = [await published(async_redis_client, number) for number in range(PARTITIONS)]
    (events,) = [events for events in found if events]
    table = DOCUMENT.split("| field | is |")[1].split("\n\n")[0]

    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(to_fields(events[0]))


def test_streams_and_channel_have_their_names() -> None:
    assert f"`{stream_name(0)}` … `{stream_name(PARTITIONS - 1)}`" in DOCUMENT
    assert f"`{LIVE_CHANNEL}`" in DOCUMENT


@pytest.mark.parametrize(
    "field", [name for name in Settings.model_fields if name.startswith("event_")]
)
def test_the_table_of_settings_is_the_one_in_the_code(field: str) -> None:
    row = re.search(
        rf"^\| `COS_{field.upper()}` \| (.*?) \| (.*?) \| (.*?) \|", DOCUMENT, re.MULTILINE
    )
    info = Settings.model_fields[field]
    limits = {
        name: getattr(limit, name)
        for limit in info.metadata
        for name in ("gt", "ge", "le")
        if hasattr(limit, name)
    }
    lowest = limits.get("ge", f"above {limits.get('gt')}")

    assert row is not None
    assert row.groups() == (f"{info.default:g}", str(lowest), str(limits["le"]))
