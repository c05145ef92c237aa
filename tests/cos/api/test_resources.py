"""An application with what goes on beside its requests."""

import inspect

import pytest
from fastapi.params import Depends
from redis.asyncio import Redis
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cos.api import resources
from cos.app import create_app
from cos.events.event import partition_of
from cos.models import OutboxEvent
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.events.relays import eventually, published
from tests.cos.factories import ModuleFactory


async def test_a_module_that_is_registered_is_published(
    settings: Settings, async_redis_client: Redis
) -> None:
    app = create_app(settings, background=True)
    async with client_of(app) as client:
        made = await client.post("/cc/modules", json=ModuleFactory.payload())
        module_id = made.json()["id"]

        async def is_published() -> bool:
            found = [await published(async_redis_client, number) for number in range(8)]
            return [str(event.module_id) for events in found for event in events] == [module_id]

        await eventually(is_published)
        made_once = app.state.resources

    assert made_once.relay.facts.published <= 1
    assert made_once.redis_guard.circuit.state == "closed"


@pytest.mark.parametrize("redis", ["refuses", "is silent"])
async def test_a_request_succeeds_whatever_redis_does_and_its_event_waits(
    redis: str, closed_port: int, silent_port: int, db_session: Session
) -> None:
    port = closed_port if redis == "refuses" else silent_port
    settings = Settings.model_validate(
        {"redis_url": f"redis://127.0.0.1:{port}/0", "redis_timeout": 0.02}
    )
    app = create_app(settings, background=True)
    async with client_of(app) as client:
        statuses = [
            (await client.post("/cc/modules", json=ModuleFactory.payload())).status_code
            for _ in range(3)
        ]
        waiting = db_session.scalars(select(OutboxEvent)).all()

    assert statuses == [201, 201, 201]
    assert [event.published_at for event in waiting] == [None, None, None]
    assert [event.partition for event in waiting] == [
        partition_of(event.module_id) for event in waiting
    ]


async def test_without_its_background_an_application_publishes_nothing(
    settings: Settings, async_redis_client: Redis
) -> None:
    app = create_app(settings)
    async with client_of(app) as client:
        await client.post("/cc/modules", json=ModuleFactory.payload())
        relay = app.state.resources.relay

    assert relay is None
    assert await async_redis_client.keys() == []


def test_no_dependency_of_a_request_is_sent_to_a_thread() -> None:
    annotated = [getattr(resources, name) for name in resources.__all__]
    dependencies = [
        mark.dependency
        for alias in annotated
        for mark in getattr(alias, "__metadata__", ())
        if isinstance(mark, Depends)
    ]

    assert dependencies
    assert all(map(inspect.iscoroutinefunction, [*dependencies, resources.current_time]))


async def test_a_single_statement_leaves_no_transaction_to_end(
    settings: Settings, db_session: Session
) -> None:
    app = create_app(settings)
    async with client_of(app), app.state.resources.autocommit_sessions() as session:
        pid = await session.scalar(text("SELECT pg_backend_pid()"))
        state = db_session.scalar(
            text("SELECT state FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}
        )

    assert state == "idle"
