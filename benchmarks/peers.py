"""The peers that `servers.py --peers` runs beside testkit: one test with Postgres and Redis each.

Each gets an environment of its own, made once below the folder for temporary files, and a suite
that does the same: a table, a row, a key. `needs` answers why a peer cannot run here, or None.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.servers.containers.images import docker_at
from testkit.servers.programs.binaries import ClosedRoadError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["PEERS", "Peer", "prepare", "seconds_of"]

ROOT: Final = Path(__file__).parents[1]
TEST: Final = """
    import psycopg
    import redis

    def test_it(postgres_url, redis_url):
        with psycopg.connect(postgres_url) as connection:
            connection.execute("CREATE TABLE thing (id int)")
            connection.execute("INSERT INTO thing VALUES (1)")
            assert connection.execute("SELECT count(*) FROM thing").fetchone() == (1,)
        with redis.Redis.from_url(redis_url) as client:
            assert client.incr("count") == 1
"""
POSTGRES_ONLY: Final = """
    import psycopg

    def test_it(postgres_url):
        with psycopg.connect(postgres_url) as connection:
            connection.execute("CREATE TABLE thing (id int)")
            connection.execute("INSERT INTO thing VALUES (1)")
            assert connection.execute("SELECT count(*) FROM thing").fetchone() == (1,)
"""
NOTHING: Final = """
    import psycopg
    import redis

    def test_it():
        assert psycopg
        assert redis
"""
OURS: Final = """
    import pytest

    @pytest.fixture
    def postgres_url(database):
        return database.url("libpq")

    @pytest.fixture
    def redis_url(redis_server):
        return redis_server.url
"""
TESTCONTAINERS: Final = """
    import pytest
    from testcontainers.community.postgres import PostgresContainer
    from testcontainers.community.redis import RedisContainer

    @pytest.fixture(scope="session")
    def postgres_url():
        with PostgresContainer("postgres:18", driver=None) as container:
            yield container.get_connection_url()

    @pytest.fixture(scope="session")
    def redis_url():
        with RedisContainer("redis:7") as container:
            host, port = container.get_container_host_ip(), container.get_exposed_port(6379)
            yield f"redis://{host}:{port}/0"
"""
DBFIXTURES: Final = """
    import glob
    import pytest
    from pytest_postgresql import factories
    from pytest_redis import factories as redis_factories

    postgresql_proc = factories.postgresql_proc(
        executable=sorted(glob.glob("/usr/lib/postgresql/*/bin/pg_ctl"))[-1])
    postgresql = factories.postgresql("postgresql_proc")
    redis_proc = redis_factories.redis_proc(executable="/usr/bin/redis-server")
    redisdb = redis_factories.redisdb("redis_proc")

    @pytest.fixture
    def postgres_url(postgresql):
        i = postgresql.info
        return f"postgresql://{i.user}:{i.password}@{i.host}:{i.port}/{i.dbname}"

    @pytest.fixture
    def redis_url(redisdb):
        k = redisdb.connection_pool.connection_kwargs
        place = k.get("path") or f"{k['host']}:{k['port']}"
        return f"unix://{place}" if "path" in k else f"redis://{place}/0"
"""
DATABASES: Final = """
    import pytest

    pytest_plugins = ["pytest_databases.docker.postgres", "pytest_databases.docker.redis"]

    @pytest.fixture(scope="session")
    def redis_image():
        return "redis:7"

    @pytest.fixture
    def postgres_url(postgres_18_service):
        s = postgres_18_service
        return f"postgresql://{s.user}:{s.password}@{s.host}:{s.port}/{s.database}"

    @pytest.fixture
    def redis_url(redis_service):
        return f"redis://{redis_service.host}:{redis_service.port}/{redis_service.db}"
"""
PGLITE: Final = """
    import pytest
    from py_pglite import PGliteManager

    @pytest.fixture(scope="session")
    def postgres_url():
        with PGliteManager() as manager:
            yield manager.get_psycopg_uri()
"""


def _no_docker() -> str | None:
    try:
        docker_at(os.environ, Path.home())
    except ClosedRoadError as road:
        return road.reason
    return None


def _no_programs() -> str | None:
    if os.geteuid() == 0:
        return "pytest-postgresql refuses to run as root"
    here = list(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")) and shutil.which("redis-server")
    return None if here else "PostgreSQL and Redis are not installed"


def _no_node() -> str | None:
    return None if shutil.which("node") and shutil.which("npm") else "there is no Node.js"


@dataclass(frozen=True)
class Peer:
    """One way to get both servers; ``requirements`` empty means this environment."""

    name: str
    conftest: str
    requirements: tuple[str, ...] = ()
    test: str = TEST
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    needs: Callable[[], str | None] = lambda: None


CLIENTS: Final = ("pytest", "psycopg[binary]", "redis")
PEERS: Final = (
    Peer("no server at all", "", test=NOTHING),
    Peer("testkit, embedded", OURS, options=("-p", "testkit.pytest_plugin.hooks")),
    Peer(
        "testkit, docker",
        OURS,
        options=("-p", "testkit.pytest_plugin.hooks"),
        variables={"TESTKIT_POSTGRES": "docker", "TESTKIT_REDIS": "docker"},
        needs=_no_docker,
    ),
    Peer(
        "testcontainers",
        TESTCONTAINERS,
        (*CLIENTS, "testcontainers==4.15.0"),
        variables={"TESTCONTAINERS_RYUK_DISABLED": "true"},
        needs=_no_docker,
    ),
    Peer("pytest-databases", DATABASES, (*CLIENTS, "pytest-databases"), needs=_no_docker),
    Peer(
        "pytest-postgresql and pytest-redis",
        DBFIXTURES,
        (*CLIENTS, "pytest-postgresql", "pytest-redis"),
        needs=_no_programs,
    ),
    Peer(
        "py-pglite (Postgres only)",
        PGLITE,
        (*CLIENTS, "py-pglite"),
        test=POSTGRES_ONLY,
        needs=_no_node,
    ),
)


def prepare(peer: Peer) -> Path:
    """Make the peer's suite and environment, once; answer its folder. Raises CalledProcessError."""
    folder = Path(tempfile.gettempdir()) / f"peers-{os.geteuid()}" / peer.name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "conftest.py").write_text(textwrap.dedent(peer.conftest))
    (folder / "test_it.py").write_text(textwrap.dedent(peer.test))
    (folder / "pytest.ini").write_text("[pytest]\n")
    if peer.requirements and not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = str(folder / "venv/bin/python")
        subprocess.run([python, "-m", "pip", "install", "-q", *peer.requirements], check=True)
        (folder / "ready").touch()
    return folder


def seconds_of(peer: Peer, folder: Path) -> float:
    """Run the peer's one test; answer the seconds that pytest took. Raises RuntimeError."""
    python = folder / "venv/bin/python" if peer.requirements else Path(sys.executable)
    # Others load by themselves what is installed; here only what is under test.
    quiet = {} if peer.requirements else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    variables = {
        k: v for k, v in os.environ.items() if not k.startswith(("TESTKIT_", "PYTHONDONT"))
    }
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *peer.options]
    started = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables | quiet | dict(peer.variables),
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"{peer.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds
