"""Servers that tests pause, kill and restart: undone behind each test, and when the run dies."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from testkit.servers.containers.images import docker_at
from tests.support.containers import containers_of, docker_client
from tests.support.processes import LINUX, command_lines
from tests.support.suites import Suite
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, LINUX]

ENV = """
    schema = "metadata:models:Base.metadata"
    env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }
"""
MODELS = """
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

    class Base(DeclarativeBase):
        pass

    class Thing(Base):
        __tablename__ = "thing"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
"""
CONFTEST = """
    import os, pathlib
    import pytest
    import redis
    import sqlalchemy as sa
    from models import Thing
    from testkit.pytest_plugin.session import key

    pathlib.Path("run").write_text(os.environ["TESTKIT_RUN"])

    @pytest.fixture
    def worker(request):
        return request.config.stash[key].worker

    @pytest.fixture(scope="session")
    def engine():
        engine = sa.create_engine(os.environ["DATABASE_URL"], pool_pre_ping=True)
        with engine.begin() as connection:
            connection.execute(sa.insert(Thing).values(name="fixture"))
        yield engine
        engine.dispose()

    @pytest.fixture(scope="module")
    def client():
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            client.set("fixture", 1)
            client.config_set("maxmemory-policy", "allkeys-lru")
            yield client

    class Both:
        def __init__(self, engine, client):
            self.engine, self.client = engine, client

        def write(self, name):
            with self.engine.begin() as connection:
                connection.execute(sa.insert(Thing).values(name=name))
            self.client.set(name, 1)

        def read(self):
            with self.engine.begin() as connection:
                names = connection.scalars(sa.select(Thing.name).order_by(Thing.id)).all()
            return names, sorted(self.client.keys())

    @pytest.fixture
    def both(engine, client):
        both = Both(engine, client)
        assert both.read() == (["fixture"], [b"fixture"])
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "allkeys-lru"
        both.write("mine")
        return both
"""
UNDONE = """
    import pytest, sqlalchemy as sa
    from models import Thing

    KINDS = pytest.mark.parametrize("kind", ["redis", "postgres"])

    def faults_of(worker, kind):
        return worker.redis_faults() if kind == "redis" else worker.postgres_faults()

    @KINDS
    @pytest.mark.parametrize("data", ["kept", "lost"])
    def test_a_restart(worker, both, kind, data):
        faults_of(worker, kind).restart(data=data)
        names, keys = both.read()
        if data == "kept":
            assert (names, keys) == (["fixture", "mine"], [b"fixture", b"mine"])
        elif kind == "redis":
            assert (names, keys) == (["fixture", "mine"], [])
        else:
            assert (names, keys) == ([], [b"fixture", b"mine"])
        both.write("more")

    @KINDS
    @pytest.mark.parametrize("fault", ["pause", "kill"])
    def test_a_fault_that_is_not_ended(worker, both, db_session, kind, fault):
        db_session.add(Thing(name="session"))
        db_session.flush()
        getattr(faults_of(worker, kind), fault)()

    @KINDS
    @pytest.mark.parametrize("fault", ["pause", "kill"])
    def test_a_failure(worker, both, kind, fault):
        getattr(faults_of(worker, kind), fault)()
        raise RuntimeError("as it should")

    @pytest.fixture
    def failing(worker, both):
        worker.redis_faults().pause()
        worker.postgres_faults().pause()
        raise RuntimeError("as it should")

    def test_a_set_up_that_fails(failing):
        pass

    def test_both_at_once_and_several_times(worker, both):
        for _ in range(2):
            with worker.redis_faults().kill(), worker.postgres_faults().kill():
                pass
            both.write("again")
        assert both.read()[0] == ["fixture", "mine", "again", "again"]

    async def test_asynchronous_sessions(worker, both, async_db_session):
        worker.postgres_faults().restart()
        assert (await async_db_session.scalars(sa.select(Thing.name))).all() == ["fixture", "mine"]

    def test_further_databases(worker, both, database):
        one = database.another()
        worker.postgres_faults().restart()
        two = database.another()
        for each in (one, two):
            with each.engine.connect() as connection:
                assert connection.scalar(sa.select(sa.func.count()).select_from(Thing)) == 0

    def test_snapshots(worker, both, database):
        first = database.snapshot()
        both.write("two")
        database.snapshot()
        worker.postgres_faults().restart()
        both.write("three")
        database.restore()
        assert both.read()[0] == ["fixture", "mine", "two"]
        database.restore(first)
        assert both.read()[0] == ["fixture", "mine"]

    def test_a_snapshot_that_is_not_restored(worker, both, database):
        database.snapshot()
        worker.postgres_faults().restart()
        assert both.read()[0] == ["fixture", "mine"]

    async def test_an_asynchronous_session_in_a_transaction(worker, both, async_db_session):
        async_db_session.add(Thing(name="session"))
        await async_db_session.flush()
        worker.postgres_faults().kill()

    def test_everything_is_as_ever(both, db_session, database):
        db_session.add(Thing(name="session"))
        db_session.commit()
        assert both.read()[0] == ["fixture", "mine", "session"]
"""
HANGS = """
    import pathlib, threading

    def test_it(worker, both, db_session):
        db_session.connection()
        worker.redis_faults().{0}()
        worker.postgres_faults().{0}()
        pathlib.Path("ready").touch()
        threading.Event().wait(60)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """A project with a table, whose tests may disturb their servers."""
    suite = Suite(tmp_path / "suite", models=MODELS, conftest=CONFTEST)
    suite.configure(ENV)
    suite.write("pytest.ini", "[pytest]\nasyncio_mode = auto\n")
    return suite


def left_of(suite: Suite) -> list[str]:
    """Return what is there of the run: directories, and processes that show its token."""
    token = (suite.folder / "run").read_text().partition(":")[0]
    places = [p for root in ("/tmp", "/dev/shm") for p in Path(root).glob(f"*{token}*")]
    return [*map(str, places), *(line for line in command_lines().values() if token in line)]


def test_the_next_test_finds_everything_as_it_should_be(suite: Suite) -> None:
    suite.write("test_it.py", UNDONE)
    outcome = suite.run(timeout=100)

    outcome.check(code=1, passed=15, failed=4, error=1)
    assert outcome.messages.count("RuntimeError: as it should") >= 5
    assert "TK" not in outcome.messages
    assert left_of(suite) == []


@pytest.mark.parametrize(
    ("isolation", "word"), [("clone", "passed"), ("none", "passed"), ("rollback", "failed")]
)
def test_in_other_modes(suite: Suite, isolation: str, word: str) -> None:
    suite.configure(ENV + f'isolation = "{isolation}"\n')
    suite.write(
        "test_it.py",
        """
        import pytest

        def test_it(worker, database, postgres_server):
            worker.postgres_faults().restart()

        def test_next(worker, database):
            with worker.postgres_faults().pause():
                pass
            with database.engine.connect() as connection:
                assert connection.exec_driver_sql("SELECT count(*) FROM thing").scalar() == 0
        """,
    )
    outcome = suite.run(timeout=100)

    assert list(outcome.tests.values()) == [word, "passed"], outcome.text
    assert ("TK642" in outcome.messages) == (isolation == "rollback")


def test_workers_have_a_redis_each_and_no_postgres_of_their_own(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from testkit.core.messages import TestkitError

        @pytest.mark.parametrize("n", range(10))
        def test_redis(worker, both, n):
            worker.redis_faults().restart()
            assert both.read()[1] == [b"fixture", b"mine"]

        @pytest.mark.parametrize("n", range(2))
        def test_postgres(worker, both, n):
            with pytest.raises(TestkitError, match=r"TK640.*3 processes"):
                worker.postgres_faults()
        """,
    )
    outcome = suite.run("-n", "2", timeout=100)

    outcome.check(passed=12)
    assert left_of(suite) == []


@pytest.mark.parametrize("fault", ["pause", "kill"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_run_that_dies_in_a_fault(
    suite: Suite, fault: str, number: signal.Signals
) -> None:
    suite.write("test_it.py", HANGS.format(fault))
    with suite.start() as run:
        try:
            wait_until((suite.folder / "ready").exists, seconds=60)
            run.send_signal(number)
            run.wait(20)
        finally:
            run.kill()
    wait_until(lambda: not left_of(suite))

    assert run.returncode == (2 if number == signal.SIGINT else -9)


def test_nothing_is_left_of_containers_that_are_paused_when_the_run_dies(suite: Suite) -> None:
    suite.configure(ENV + 'postgres = "docker"\nredis = "docker"\n')
    suite.write("test_it.py", HANGS.format("pause"))
    with docker_client() as client:
        with suite.start(DOCKER_HOST=docker_at(os.environ, Path.home())) as run:
            try:
                wait_until((suite.folder / "ready").exists, seconds=60)
                token = (suite.folder / "run").read_text().partition(":")[0]
                before = containers_of(client, token)
            finally:
                run.kill()
        wait_until(lambda: not containers_of(client, token), seconds=60)
    wait_until(lambda: not left_of(suite))

    assert len(before) == 2
