"""The guard, on the real libraries: what it refuses, what it lets through, what it puts back."""

from __future__ import annotations

import asyncio
import socket
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import psycopg
import pytest
import redis
import redis.asyncio
import redis.sentinel
import sqlalchemy as sa
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.asyncio import create_async_engine

from testkit.core.messages import TestkitError
from testkit.core.provided import provided
from testkit.isolation.guard import Guard
from testkit.isolation.refusals import Refusals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from testkit.isolation.database import Database
    from testkit.servers.redis import RedisServer

URL: Final = "postgresql://ada:sesame@db.example:5433/prod"
PLACE: Final = ("db.example:5433", "prod")
REDIS: Final = "redis://ada:sesame@cache.example:6380/3"
CACHE: Final = ("cache.example:6380", "3")


@pytest.fixture
def refusals() -> Refusals:
    return Refusals()


@pytest.fixture
def guard(refusals: Refusals) -> Iterator[Guard]:
    guard = Guard([], refusals)
    guard.begin()
    yield guard
    guard.end()


class OtherDialect(DefaultDialect):
    """The dialect of a driver that testkit does not know and that nobody gets to."""

    name = "other"
    driver = "otherapi"

    @classmethod
    def import_dbapi(cls) -> Any:
        return SimpleNamespace(paramstyle="named", Error=OSError)


class Psycopg2Dialect(OtherDialect):
    """Names itself as SQLAlchemy's dialect of psycopg2 does, which is not loaded here."""

    driver = "psycopg2"


sa.dialects.registry.register("other", __name__, "OtherDialect")
sa.dialects.registry.register("other.psycopg2", __name__, "Psycopg2Dialect")


sentinel: Final[Any] = redis.sentinel.Sentinel


async def through(engine: Any) -> None:
    async with engine.connect():
        pass


async def pooled() -> None:
    async with asyncpg.create_pool(URL):
        pass


SYNC: Final[dict[str, tuple[Callable[[], object], str, tuple[str, str]]]] = {
    "psycopg": (lambda: psycopg.connect(URL), "psycopg", PLACE),
    "psycopg by keywords": (
        lambda: psycopg.Connection.connect(host="db.example", port=5433, dbname="prod"),
        "psycopg",
        PLACE,
    ),
    "SQLAlchemy on psycopg": (
        lambda: sa.create_engine(URL.replace("postgresql", "postgresql+psycopg")).connect(),
        "psycopg",
        PLACE,
    ),
    "SQLAlchemy on another driver": (
        lambda: sa.create_engine(URL.replace("postgresql", "other")).connect(),
        "SQLAlchemy (otherapi)",
        PLACE,
    ),
    "redis-py": (lambda: redis.Redis.from_url(REDIS).ping(), "redis-py", CACHE),
    "redis-py with TLS": (
        lambda: redis.Redis.from_url(REDIS.replace("redis:", "rediss:")).ping(),
        "redis-py",
        CACHE,
    ),
    "redis-py on a socket": (
        lambda: redis.Redis(unix_socket_path="/run/redis/redis.sock", db=2).ping(),
        "redis-py",
        ("/run/redis/redis.sock", "2"),
    ),
    "redis-py by a sentinel": (
        lambda: sentinel([("cache.example", 6380)], db=3).master_for("main").ping(),
        "redis-py",
        ("cache.example:6380", "0"),
    ),
}
ASYNC: Final[dict[str, tuple[Callable[[], Awaitable[object]], str, tuple[str, str]]]] = {
    "psycopg": (lambda: psycopg.AsyncConnection.connect(URL), "psycopg", PLACE),
    "asyncpg": (lambda: asyncpg.connect(URL), "asyncpg", PLACE),
    "asyncpg's pool": (pooled, "asyncpg", PLACE),
    "SQLAlchemy on psycopg": (
        lambda: through(create_async_engine(URL.replace("postgresql", "postgresql+psycopg"))),
        "psycopg",
        PLACE,
    ),
    "SQLAlchemy on asyncpg": (
        lambda: through(create_async_engine(URL.replace("postgresql", "postgresql+asyncpg"))),
        "asyncpg",
        PLACE,
    ),
    "redis-py": (lambda: redis.asyncio.Redis.from_url(REDIS).ping(), "redis-py", CACHE),
    "redis-py on a socket": (
        lambda: redis.asyncio.Redis(unix_socket_path="/run/redis/redis.sock", db=2).ping(),
        "redis-py",
        ("/run/redis/redis.sock", "2"),
    ),
}


def seen(error: TestkitError) -> tuple[object, tuple[object, object]]:
    """Return the library, and place and database, that a refusal names."""
    return error.values["library"], (error.values["place"], error.values["database"])


@pytest.mark.parametrize("case", SYNC)
def test_a_foreign_server_is_refused_by_name(guard: Guard, case: str) -> None:
    ask, library, expected = SYNC[case]
    with pytest.raises(TestkitError) as caught:
        ask()

    assert caught.value.code == "TK304"
    assert seen(caught.value) == (library, expected)
    assert "sesame" not in f"{caught.value}{caught.value.values}"
    assert "test_guard.py" in str(caught.value.values["where"])


@pytest.mark.parametrize("case", ASYNC)
async def test_a_foreign_server_is_refused_by_name_in_a_loop(guard: Guard, case: str) -> None:
    ask, library, expected = ASYNC[case]
    with pytest.raises(TestkitError) as caught:
        await ask()

    assert caught.value.code == "TK304"
    assert seen(caught.value) == (library, expected)
    assert "sesame" not in f"{caught.value}{caught.value.values}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_what_testkit_provided_is_reached_by_every_library(
    guard: Guard, refusals: Refusals, host: str, database: Database, redis_server: RedisServer
) -> None:
    libpq, cache = (
        url.replace("127.0.0.1", host) for url in (database.url("libpq"), redis_server.url)
    )
    with psycopg.connect(libpq) as connection:
        connection.execute("SELECT 1")
    async with await psycopg.AsyncConnection.connect(libpq) as other:
        await other.execute("SELECT 1")
    await (await asyncpg.connect(libpq)).close()
    engine = sa.create_engine(libpq.replace("postgresql", "postgresql+psycopg"))
    engine.connect().close()
    engine.dispose()
    async_engine = create_async_engine(libpq.replace("postgresql", "postgresql+asyncpg"))
    await through(async_engine)
    await async_engine.dispose()
    with redis.Redis.from_url(cache) as client:
        client.ping()
    async with redis.asyncio.Redis.from_url(cache) as async_client:
        await async_client.ping()

    assert refusals.finish_test("it") is None


@pytest.mark.parametrize(
    ("conninfo", "place"),
    [
        ("", "localhost:5432"),
        ("port=5433", "localhost:5433"),
        ("host=/run/postgresql port=1", "/run/postgresql:1"),
        ("host=ours hostaddr=10.0.0.7 port=1", "10.0.0.7:1"),
        ("host=127.0.0.1,b port={port},2", "b:2"),
        ("host=127.0.0.1,b port={port}", "b:{port}"),
        ("host=c, port={port}", "c:{port}"),
        ("host=fe80::1 port=1", "[fe80::1]:1"),
        ("postgresql://ada:half@sesame@b/prod", "b:5432"),
    ],
)
def test_the_place_is_the_one_that_libpq_would_take(
    guard: Guard, conninfo: str, place: str, redis_server: RedisServer
) -> None:
    ours = redis_server.port
    with pytest.raises(TestkitError) as caught:
        psycopg.connect(conninfo.format(port=ours))

    assert caught.value.values["place"] == place.format(port=ours)
    assert "sesame" not in str(caught.value)


def test_variables_and_service_files_lead_where_libpq_goes(
    guard: Guard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    file.write_text(
        "# ours\n[a]\nhost=a\n\n[b]\n# no\nhost = b\nport=7\ndbname=shop\n[c]\nhost=c\n"
    )
    places = []
    for name, value, conninfo in [
        ("PGHOST", "d", ""),
        ("PGHOSTADDR", "10.0.0.7", "host=127.0.0.1 port=1"),
        ("PGSERVICEFILE", str(file), "service=b"),
        ("PGSERVICEFILE", str(file), "service=b host=e"),
        ("PGSERVICEFILE", str(file), "service=nowhere"),
    ]:
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            with pytest.raises(TestkitError) as caught:
                psycopg.connect(conninfo)
        places.append((caught.value.values["place"], caught.value.values["database"]))

    assert places == [
        ("d:5432", "not named"),
        ("10.0.0.7:1", "not named"),
        ("b:7", "shop"),
        ("e:7", "shop"),
        ("service=nowhere:5432", "not named"),
    ]


async def test_asyncpg_without_a_host_is_this_machine(guard: Guard) -> None:
    with pytest.raises(TestkitError) as caught:
        await asyncpg.connect(user="ada", database="prod", port=5433)

    assert caught.value.values["place"] == "localhost:5433"


async def test_asyncpg_is_refused_if_any_of_its_hosts_is_foreign(
    guard: Guard, database: Database
) -> None:
    ours = sa.make_url(database.url())
    with pytest.raises(TestkitError) as caught:
        await asyncpg.connect(f"postgresql://ada@127.0.0.1:{ours.port},b:2/prod")

    assert caught.value.values["place"] == "b:2"


@pytest.mark.parametrize("entry", ["localhost", "localhost:1", "127.0.0.1:1", "::1"])
async def test_allow_hosts_opens_a_host_or_one_port_of_it(entry: str, refusals: Refusals) -> None:
    guard = Guard([entry], refusals)
    guard.begin()
    try:
        # Nobody listens there: the library says so, and the guard does not.
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect("host=127.0.0.1 port=1")
        with pytest.raises(OSError, match=r"refused|failed"):
            await asyncpg.connect("postgresql://ada@127.0.0.1:1/prod")
    finally:
        guard.end()

    assert refusals.left() == []


def test_psycopg2_is_refused_also_where_nobody_has_loaded_psycopg(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "psycopg")
    with pytest.raises(TestkitError) as caught:
        sa.create_engine(URL.replace("postgresql", "other+psycopg2")).connect()

    assert seen(caught.value) == ("SQLAlchemy (psycopg2)", PLACE)


def test_a_file_database_is_no_server(guard: Guard) -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        assert connection.scalar(sa.text("SELECT 1")) == 1


async def test_a_port_that_this_process_holds_is_its_own(guard: Guard, refusals: Refusals) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"host=localhost port={port}")
        with pytest.raises(OSError, match=r"refused|failed"):
            await asyncpg.connect(f"postgresql://ada@127.0.0.1:{port}/prod")
        with pytest.raises(redis.ConnectionError):
            redis.Redis(port=port, retry=Retry(NoBackoff(), 0)).ping()

    assert refusals.finish_test("it") is None


def test_a_server_that_is_provided_later_is_reached_from_then_on(
    guard: Guard, refusals: Refusals
) -> None:
    with pytest.raises(TestkitError):
        guard.check("any", [("later.example", 5432)], "prod")
    provided.add("later.example", 5432)
    guard.check("any", [("later.example", 5432)], "prod")

    assert str(refusals.finish_test("it")).count("TK304:") == 1


def test_after_the_end_every_library_is_as_it_was() -> None:
    def points() -> list[object]:
        kinds: list[Any] = [
            psycopg.Connection,
            psycopg.AsyncConnection,
            asyncpg.connect_utils,
            asyncpg.connection,
            redis.connection.Connection,
            redis.connection.UnixDomainSocketConnection,
            redis.asyncio.connection.AbstractConnection,
            redis.asyncio.connection.Connection,
            redis.asyncio.connection.UnixDomainSocketConnection,
        ]
        found: list[object] = [dict(vars(kind)) for kind in kinds]
        return [*found, psycopg.connect, asyncpg.connect, list(sys.meta_path)]

    before = points()
    guard = Guard([], Refusals())
    guard.begin()
    during = points()
    guard.end()

    assert before != during
    assert before == points()


def test_an_ended_guard_refuses_nobody_who_kept_what_it_had_put_there(
    guard: Guard, refusals: Refusals
) -> None:
    kept: Any = redis.connection.Connection
    connect = vars(kept)["_connect"]
    guard.end()
    another = Guard(["localhost"], refusals)
    another.begin()
    try:
        with pytest.raises(ConnectionRefusedError):
            connect(kept(port=1))
    finally:
        another.end()


def test_of_two_guards_the_one_that_began_last_decides(guard: Guard, refusals: Refusals) -> None:
    inner = Guard(["localhost"], refusals)
    inner.begin()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect("host=localhost port=7")
    inner.end()
    with pytest.raises(TestkitError):
        psycopg.connect("host=localhost port=7")

    assert str(refusals.finish_test("it")).count("TK304:") == 1


async def test_a_task_that_nobody_awaits_is_charged_too(guard: Guard, refusals: Refusals) -> None:
    refusals.begin_test("it")
    task = asyncio.ensure_future(asyncpg.connect(URL))
    await asyncio.wait([task])

    assert "TK304" in str(refusals.finish_test("it"))
    assert isinstance(task.exception(), TestkitError)
