"""Subscribers on a real Postgres and a real Redis: order, exactly once, gaps, duplicates, groups."""

import asyncio
import uuid

import pytest
from redis.asyncio import Redis
from sqlalchemy import select
from sqlalchemy.orm import Session

from cos.events.subscriber import Delivery, SubscriberSettings
from cos.models import DeadLetter, Subscription
from testkit.core.naming import UniqueNames
from tests.cos.events.subscribing import (
    QUICK,
    Recorder,
    Sessions,
    effects_of,
    event,
    publish,
    running,
    store,
    until_true,
)

pytestmark = pytest.mark.usefixtures("effects")


async def test_events_are_handled_once_and_in_order(
    sessions: Sessions, redis: Redis, unique: UniqueNames
) -> None:
    module, group = uuid.uuid4(), unique("group")
    subscriber = Recorder(sessions, redis, group)
    async with running(subscriber):
        await publish(redis, await store(sessions, module, 1, 2, 3))
        await until_true(lambda: subscriber.facts.handled == 3)

    assert await effects_of(sessions, group) == [(module, 1), (module, 2), (module, 3)]
    assert await _pending(redis, group) == 0


async def _pending(redis: Redis, group: str) -> int:
    """Return how many entries of the streams the group has not acknowledged."""
    from cos.events.consumer_group import STREAMS

    return sum([(await redis.xpending(stream, group))["pending"] for stream in STREAMS])
