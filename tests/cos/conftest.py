"""The application under test, on the database and Redis that testkit put into the environment."""

import socket
from collections.abc import AsyncIterator, Iterator

import hypothesis
import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from redis.asyncio import Redis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.app import create_app
from cos.db.engine import service_engine
from cos.db.redis_client import service_redis
from cos.settings import Settings, load
from tests.cos.asgi import client_of

# A busy machine is slow, and that is no finding.
hypothesis.settings.register_profile("cos", deadline=None)
hypothesis.settings.load_profile("cos")


@pytest.fixture
def settings() -> Settings:
    """The settings of the environment."""
    return load(Settings)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    """An application of this test's own, to add routes to."""
    return create_app(settings)


@pytest.fixture(scope="session")
def running_app() -> FastAPI:
    """An application for all tests that change nothing about it: its routes are compiled once."""
    return create_app()


@pytest.fixture
async def client(running_app: FastAPI) -> AsyncIterator[AsyncClient]:
    """A client of the running application."""
    async with client_of(running_app) as running:
        yield running


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of this machine that refuses connections; held, so that nobody else listens there."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
async def sessions(settings: Settings) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    """Sessions as the service has them, with connections for many tasks at once."""
    engine = service_engine(settings.model_copy(update={"database_pool_size": 20}))
    yield async_sessionmaker(engine, expire_on_commit=False)
    await engine.dispose()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    """The client that the service has, with connections for several subscribers."""
    client = service_redis(settings.model_copy(update={"redis_pool_size": 40}))
    yield client
    await client.aclose()
