"""TD305: a client of one event loop that tests share which run in several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.project import Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.project import Project

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD305",
    "Tests of several event loops share one client",
    "error",
    "A pooled connection of redis.asyncio or asyncpg belongs to the loop that opened it. Each test runs in a loop of its own: the first one passes, the next finds the connection of a loop that is closed "
    "(RuntimeError: Event loop is closed, got Future attached to a different loop), and which test is hit depends on their order.",
    "Make the client in a fixture of the test's own loop and close it there; for an engine that must live longer: poolclass=NullPool, or one loop for all (loop_scope).",
)
NEEDS: Final = ("clients",)
BAD: Final = (
    """
    # file: tests/conftest.py
    import os
    import redis.asyncio as redis
    from sqlalchemy.ext.asyncio import create_async_engine

    URL = os.environ.get("DATABASE_URL", "postgresql+asyncpg://localhost/test")
    engine = create_async_engine(URL, echo=True)  # here
    cache = redis.from_url("redis://localhost")  # here
    # file: tests/test_it.py
    from redis.asyncio import Redis
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(f"postgresql+asyncpg://{host}/test")  # here
    client: Redis = Redis()  # here
    """,
)
GOOD: Final = (
    """
    # file: tests/conftest.py
    import redis
    from redis.asyncio import Redis
    from sqlalchemy.ext.asyncio import create_async_engine
    from sqlalchemy.pool import NullPool

    plain = redis.Redis()
    file = create_async_engine("sqlite+aiosqlite:///test.db")
    other = create_async_engine("postgresql+psycopg://localhost/test")
    unknown = create_async_engine(settings.url)
    loose = create_async_engine("postgresql+asyncpg://localhost/test", poolclass=NullPool)

    @pytest.fixture
    async def client():
        async with Redis() as client:
            yield client
    # file: app/cache.py
    from redis.asyncio import Redis

    cache = Redis()
    """,
    """
    # file: tests/conftest.py
    from redis.asyncio import Redis

    client = Redis()
    # file: tests/test_it.py
    import pytest

    pytestmark = pytest.mark.asyncio(loop_scope="session")
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each client that is made at the import of a test file, where each test has its loop."""
    told = project.of("clients")
    shared = {project.home(path) for path, each in told.items() if each["one_loop"]}
    for path, each in told.items():
        home = project.home(path)
        if home.one_loop or home in shared:
            continue
        for client in each["clients"]:
            reason = f"{client['made']}() at import is shared by tests that have a loop each"
            yield Spot(path, client["line"], client["column"], reason)
