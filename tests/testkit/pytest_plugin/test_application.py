"""An application with a pool, a background task and an after-commit hook, tested as it is."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.alembic_project import AlembicProject
from tests.support.sizes import seed_of
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = 12
ORDER: Final = """
    import os, random

    def pytest_collection_modifyitems(items):
        random.Random(os.environ["ORDER"]).shuffle(items)
"""
# It knows nothing of testkit: it commits, and what it starts has sessions of its own.
APPLICATION: Final = """
    import os
    from contextlib import asynccontextmanager
    import redis
    from fastapi import BackgroundTasks, FastAPI
    from sqlalchemy import create_engine, event, text
    from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
    from sqlalchemy.orm import Session, sessionmaker

    INSERT = text("INSERT INTO shop VALUES (:id, :name)")
    store = redis.Redis.from_url(os.environ["REDIS_URL"])
    engine = create_engine(os.environ["DATABASE_URL"], pool_size=2)
    async_engine = create_async_engine(os.environ["DATABASE_URL"], pool_size=2)

    class Published(Session):
        pass

    @event.listens_for(Published, "after_commit")
    def publish(session):
        store.rpush("events", "committed")
        store.publish("news", "committed")

    sessions = sessionmaker(engine, class_=Published)
    async_sessions = async_sessionmaker(async_engine, sync_session_class=Published)

    @asynccontextmanager
    async def lifespan(app):
        yield
        await async_engine.dispose()

    app = FastAPI(lifespan=lifespan)

    def later():
        with sessions() as session:
            session.execute(INSERT, {"id": 2, "name": "background"})
            session.commit()

    async def async_later():
        async with async_sessions() as session:
            await session.execute(INSERT, {"id": 2, "name": "background"})
            await session.commit()

    @app.post("/sync")
    def sync_shop(tasks: BackgroundTasks):
        with sessions() as session:
            session.execute(INSERT, {"id": 1, "name": "request"})
            session.commit()
        tasks.add_task(later)

    @app.post("/async")
    async def async_shop(tasks: BackgroundTasks):
        async with async_sessions() as session:
            await session.execute(INSERT, {"id": 1, "name": "request"})
            await session.commit()
        tasks.add_task(async_later)
"""
SUITE: Final = """
    import httpx, pytest, sqlalchemy as sa
    from starlette.testclient import TestClient
    from application import app, async_engine, engine, store

    @pytest.fixture(scope="session", autouse=True)
    def closed():
        yield
        engine.dispose()
        store.close()

    def names():
        with engine.connect() as connection:
            return sorted(connection.execute(sa.text("SELECT name FROM shop")).scalars())

    @pytest.fixture(autouse=True)
    def news():
        assert names() == []
        assert store.dbsize() == 0
        assert store.pubsub_channels() == []
        with store.pubsub(ignore_subscribe_messages=True) as listener:
            listener.subscribe("news")
            listener.get_message(timeout=5)  # that it listens
            yield listener

    def check(news):
        assert names() == ["background", "request"]
        assert store.lrange("events", 0, -1) == [b"committed"] * 2
        assert [news.get_message(timeout=5)["data"] for _ in range(2)] == [b"committed"] * 2

    @pytest.mark.parametrize("path", ["/sync", "/async"])
    @pytest.mark.parametrize("n", range(3))
    def test_from_a_synchronous_test(news, path, n):
        with TestClient(app) as client:
            assert client.post(path).status_code == 200
        check(news)

    @pytest.mark.asyncio
    @pytest.mark.parametrize("path", ["/sync", "/async"])
    @pytest.mark.parametrize("n", range(3))
    async def test_from_an_asynchronous_test(news, path, n):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
            assert (await client.post(path)).status_code == 200
        await async_engine.dispose()
        check(news)
"""


@pytest.mark.slow
def test_both_styles_are_undone_in_random_order_twice(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    suite = Suite(tmp_path, conftest=ORDER, application=APPLICATION, test_it=SUITE)
    AlembicProject(tmp_path)
    suite.configure("""
        schema = "alembic"
        env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }
    """)
    dice = random.Random(seed_of(request.config))
    for number in range(2):
        order = dice.randrange(2**32)
        print(f"run {number + 1} of 2: ORDER={order}")  # noqa: T201 - it must be known afterwards
        outcome = suite.run("-o", "asyncio_default_fixture_loop_scope=function", ORDER=str(order))

        outcome.check(passed=TESTS)
