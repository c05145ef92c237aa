"""Sessions and a client as the service has them."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.settings import Settings


@pytest.fixture
async def sessions(settings: Settings) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions as the service has them; one connection for each subscriber's concurrency."""
    engine = service_engine(settings.model_copy(update={"database_pool_size": 20}))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    """The client that the service has."""
    client = service_redis(settings.model_copy(update={"redis_pool_size": 40}))
    yield client
    await client.aclose()
