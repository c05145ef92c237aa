"""What each change of a module writes into the outbox, and when it does not."""

import asyncio
import uuid
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session

from cos.events.correlation import correlate
from cos.events.event import partition_of
from cos.events.outbox import event_of
from cos.models import Module, OutboxEvent
from cos.services import modules
from cos.services.errors import NameTakenError
from cos.services.modules import NewModule
from cos.settings import Settings
from testkit.core.naming import UniqueNames
from tests.cos.factories import ModuleFactory


def _stored(session: Session) -> Sequence[OutboxEvent]:
    return session.scalars(select(OutboxEvent).order_by(OutboxEvent.position)).all()


async def test_a_registration_a_change_and_a_removal_are_told_in_order(
    sessions: async_sessionmaker[AsyncSession], db_session: Session, unique: UniqueNames
) -> None:
    name, later = unique("module"), unique("module")
    correlate("of-this-test")
    async with sessions.begin() as session:
        made = await modules.register(session, NewModule(name, "1", config={"a": 1}))
    async with sessions.begin() as session:
        await modules.change(session, made.id, {"name": later, "active": False, "version": "1"})
    async with sessions.begin() as session:
        await modules.remove(session, made.id)

    told = _stored(db_session)

    assert [(row.sequence, row.type, row.payload) for row in told] == [
        (
            1,
            "module.registered",
            {"name": name, "version": "1", "active": True, "config": {"a": 1}},
        ),
        (
            2,
            "module.changed",
            {
                "name": later,
                "version": "1",
                "active": False,
                "config": {"a": 1},
                "changed": ["active", "name"],
            },
        ),
        (3, "module.removed", {"name": later}),
    ]
    assert {(row.module_id, row.correlation_id) for row in told} == {(made.id, "of-this-test")}
    assert {(row.version, row.partition) for row in told} == {(1, partition_of(made.id))}
    assert {(row.published_at, row.stream_id) for row in told} == {(None, None)}


async def test_a_row_is_the_event_that_it_holds(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    async with sessions.begin() as session:
        made = await modules.register(session, NewModule(**ModuleFactory.payload()))
    (row,) = _stored(db_session)
    event = event_of(row)

    assert (event.id, event.module_id, event.sequence) == (row.id, made.id, 1)
    assert (event.occurred_at, event.payload["name"]) == (made.created_at, made.name)


async def test_what_is_rolled_back_tells_nothing(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    module = ModuleFactory.create()
    async with sessions() as session:
        await modules.register(session, NewModule(**ModuleFactory.payload()))
        await modules.change(session, module.id, {"version": "2"})
        await modules.remove(session, module.id)
        await session.rollback()

    assert _stored(db_session) == []
    assert db_session.get_one(Module, module.id).event_sequence == 0


async def test_a_refused_registration_tells_nothing(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    taken = ModuleFactory.create()
    with pytest.raises(NameTakenError):
        async with sessions.begin() as session:
            await modules.register(session, NewModule(taken.name, "1"))

    assert _stored(db_session) == []


@pytest.mark.parametrize(
    ("stored", "changes", "told"),
    [
        ({}, {}, []),
        ({"version": "1"}, {"version": "1"}, []),
        ({"config": {"a": 1, "b": 2}}, {"config": {"b": 2, "a": 1}}, []),
        ({"config": {"a": 1}}, {"config": {"a": True}}, ["config"]),
        ({"config": {"a": 0}}, {"config": {"a": False}}, ["config"]),
        ({"active": True}, {"active": False}, ["active"]),
    ],
    ids=str,
)
async def test_a_change_tells_only_of_what_is_another_value(
    sessions: async_sessionmaker[AsyncSession],
    db_session: Session,
    stored: dict[str, Any],
    changes: dict[str, Any],
    told: list[str],
) -> None:
    module = ModuleFactory.create(**stored)
    before = module.updated_at
    async with sessions.begin() as session:
        changed = await modules.change(session, module.id, changes)  # type: ignore[arg-type]  # any

    assert [name for row in _stored(db_session) for name in row.payload["changed"]] == told
    assert (changed.updated_at > before) is bool(told)


async def test_concurrent_changes_are_numbered_without_a_gap_in_the_order_of_their_commits(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    module = ModuleFactory.create()

    async def change(number: int) -> None:
        async with sessions.begin() as session:
            await modules.change(session, module.id, {"version": f"v{number}"})

    await asyncio.gather(*map(change, range(20)))
    told = _stored(db_session)
    last = db_session.get_one(Module, module.id, populate_existing=True)

    assert [row.sequence for row in told] == list(range(1, 21))
    assert (last.event_sequence, last.version) == (20, told[-1].payload["version"])


async def test_a_module_of_before_events_begins_with_one(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    module = ModuleFactory.create()
    async with sessions.begin() as session:
        await modules.remove(session, module.id)

    assert [row.sequence for row in _stored(db_session)] == [1]


async def test_a_commit_wakes_who_listens_and_a_rollback_does_not(
    sessions: async_sessionmaker[AsyncSession], settings: Settings
) -> None:
    address = settings.sqlalchemy_url.set(drivername="postgresql")
    with psycopg.connect(
        address.render_as_string(hide_password=False), autocommit=True
    ) as listener:
        listener.execute("LISTEN cos_events")
        async with sessions() as session:
            await modules.register(session, NewModule(**ModuleFactory.payload()))
            await session.rollback()
        async with sessions.begin() as session:
            for _ in range(3):
                await modules.register(session, NewModule(**ModuleFactory.payload()))
        heard = await asyncio.to_thread(lambda: list(listener.notifies(timeout=5, stop_after=1)))
        more = list(listener.notifies(timeout=0))

    assert [notification.channel for notification in heard] == ["cos_events"]
    assert more == []


async def test_the_largest_valid_configuration_fits_into_an_event(
    sessions: async_sessionmaker[AsyncSession], db_session: Session, unique: UniqueNames
) -> None:
    config = {"text": "x" * 65_500}
    longest = unique("module").ljust(255, "\N{SNAKE}")
    async with sessions.begin() as session:
        await modules.register(session, NewModule(longest, "\N{SNAKE}" * 50, config=config))

    assert _stored(db_session)[0].payload["config"] == config


async def test_the_events_of_a_module_outlive_it(
    sessions: async_sessionmaker[AsyncSession], db_session: Session
) -> None:
    async with sessions.begin() as session:
        made = await modules.register(session, NewModule(**ModuleFactory.payload()))
    async with sessions.begin() as session:
        await modules.remove(session, made.id)

    assert db_session.get(Module, made.id) is None
    assert {row.module_id for row in _stored(db_session)} == {uuid.UUID(str(made.id))}
