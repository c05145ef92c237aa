"""A server that ends in the middle of a run: said once, and the run stops cleanly."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.core.options import Settings
from testkit.servers.containers.images import docker_at
from tests.support.containers import containers_of, docker_client
from tests.support.processes import LINUX, command_lines
from tests.support.runs import kept_of, new_run
from tests.support.suites import Suite

if TYPE_CHECKING:
    from tests.support.suites import Outcome

pytestmark = [pytest.mark.slow, LINUX]

TESTS = 30
ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
# Every test works on both servers; the one of the number AT ends one of them before or after.
SUITE = """
    import contextlib, os, pathlib, signal
    import pytest
    import redis
    import sqlalchemy as sa
    from tests.support.processes import children_of
    from tests.support.waiting import wait_until

    pathlib.Path("run").write_text(os.environ["TESTKIT_RUN"])

    @pytest.fixture(scope="module")
    def engine():
        engine = sa.create_engine(os.environ["DATABASE_URL"], poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS thing (id int)"))
        yield engine
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE thing"))

    def use(engine):
        with engine.begin() as connection, redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            connection.execute(sa.text("INSERT INTO thing VALUES (1)"))
            assert client.incr("count") == 1

    def end(server):
        if WHAT == "container":
            import docker
            with contextlib.closing(docker.DockerClient(os.environ["DOCKER_HOST"])) as client:
                place = server.kept.directory
                client.containers.get(f"{place.parent.name}-{place.name}").kill()
            return
        if WHAT == "session":
            with sa.create_engine(os.environ["DATABASE_URL"]).connect() as connection:
                pid = connection.scalar(sa.text("SELECT pg_backend_pid()"))
                os.kill(pid, signal.SIGKILL)
                connection.invalidate()
            return
        keeper = int(os.environ.get("KEEPER") or server.kept.keeper.pid)
        pid = keeper if WHAT == "keeper" else children_of(keeper)[0]
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: pid not in children_of(keeper))

    @pytest.mark.parametrize("n", range(30))
    def test_it(n, engine, postgres_server, redis_server):
        server = {"Postgres": postgres_server, "Redis": redis_server}[VICTIM]
        if n == AT and WHEN == "before":
            end(server)
        use(engine)
        if n == AT and WHEN == "after":
            end(server)
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = Suite(tmp_path / "suite")
    suite.configure(ENV)
    return suite


def run(
    suite: Suite,
    *options: str,
    victim: str,
    what: str = "server",
    when: str = "before",
    at: int = 4,
    **variables: str,
) -> Outcome:
    """Run the suite; its test ``at`` ends ``what`` (the server, its keeper) of the victim."""
    facts = f"VICTIM, WHAT, WHEN, AT = {victim!r}, {what!r}, {when!r}, {at}\n"
    suite.write("test_it.py", facts)
    with (suite.folder / "test_it.py").open("a") as file:
        file.write("\n".join(line.removeprefix("    ") for line in SUITE.splitlines()))
    return suite.run(*options, timeout=100, **variables)


def check(outcome: Outcome, victim: str, reason: str) -> None:
    """Assert that the run says it once, and ended for it."""
    assert outcome.code == 3, outcome.text
    assert outcome.text.count("TK303: ") == 1, outcome.text
    assert f"TK303: {victim} stopped in the middle of the run: {reason}" in outcome.text
    assert "testkit: a server of this run is gone" in outcome.text
    assert "INTERNALERROR" not in outcome.text
    assert "TK303" not in outcome.messages


def token_of(suite: Suite) -> str:
    return (suite.folder / "run").read_text().partition(":")[0]


def left_of(suite: Suite) -> list[str]:
    """Return what is there of the run: directories, and processes that show its token."""
    token = token_of(suite)
    places = [p for root in ("/tmp", "/dev/shm") for p in Path(root).glob(f"*{token}*")]
    return [*map(str, places), *(line for line in command_lines().values() if token in line)]


def not_passed(outcome: Outcome) -> int:
    return len(outcome.tests) - list(outcome.tests.values()).count("passed")


@pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="one process"),
        pytest.param(("-n", "2"), marks=pytest.mark.soak, id="two workers"),
    ],
)
@pytest.mark.parametrize("victim", ["Postgres", "Redis"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_server_that_is_killed_ends_the_run_with_one_message(
    suite: Suite, options: tuple[str, ...], victim: str, when: str
) -> None:
    outcome = run(suite, *options, victim=victim, when=when)

    check(outcome, victim, "exit code -9.")
    # A test that works on the server while it dies fails by itself: at most one in each process.
    assert (when == "before") <= not_passed(outcome) <= 2
    assert len(outcome.tests) < TESTS
    assert left_of(suite) == []


def test_the_end_of_a_server_in_the_very_last_test_is_told_as_well(suite: Suite) -> None:
    outcome = run(suite, victim="Postgres", when="after", at=TESTS - 1)

    check(outcome, "Postgres", "exit code -9.")
    assert len(outcome.tests) == TESTS
    assert left_of(suite) == []


def test_without_isolation_the_test_that_fails_for_it_ends_the_run(suite: Suite) -> None:
    suite.configure(ENV + 'isolation = "none"\n')
    outcome = run(suite, victim="Redis", TESTKIT_ISOLATION="none", at=0)

    check(outcome, "Redis", "exit code -9.")
    assert not_passed(outcome) == 1
    assert left_of(suite) == []


@pytest.mark.parametrize(
    ("options", "victim"), [((), "Redis"), (("-n", "2"), "Postgres")], ids=["Redis", "Postgres"]
)
def test_a_keeper_that_is_killed_takes_its_server_along_and_nothing_is_left(
    suite: Suite, options: tuple[str, ...], victim: str
) -> None:
    outcome = run(suite, *options, victim=victim, what="keeper", when="after")

    check(outcome, victim, "its keeper is gone.")
    assert len(outcome.tests) < TESTS
    assert left_of(suite) == []


def test_a_postgres_of_which_one_session_is_killed_does_not_go_on_without_its_journal(
    suite: Suite,
) -> None:
    outcome = run(suite, "-n", "2", victim="Postgres", what="session", when="after")

    check(outcome, "Postgres", "exit code 1.")
    assert "was terminated by signal 9: Killed" in outcome.text
    assert not_passed(outcome) <= 2
    assert len(outcome.tests) < TESTS
    assert left_of(suite) == []


@pytest.mark.parametrize("victim", ["Postgres", pytest.param("Redis", marks=pytest.mark.soak)])
def test_a_container_that_ends_ends_the_run_with_one_message(suite: Suite, victim: str) -> None:
    suite.configure(ENV + 'postgres = "docker"\nredis = "docker"\n')
    with docker_client() as client:
        outcome = run(
            suite,
            *("-n", "2"),
            victim=victim,
            what="container",
            when="after",
            DOCKER_HOST=docker_at(os.environ, Path.home()),
        )
        left = containers_of(client, token_of(suite))

    check(outcome, victim, "exit code ")
    assert len(outcome.tests) < TESTS
    assert (left, left_of(suite)) == ([], [])


def test_a_server_of_others_that_goes_away_is_told_by_its_address(
    suite: Suite, tmp_path: Path
) -> None:
    somebody = new_run(tmp_path / "somebody", Settings())
    try:
        server = somebody.ensure_postgres()
        outcome = run(
            suite,
            *("-n", "2"),
            victim="Postgres",
            TESTKIT_POSTGRES=server.url,
            KEEPER=str(kept_of(server).keeper.pid),
        )
    finally:
        somebody.close()

    check(outcome, "Postgres", "Connection refused.")
    assert f"where: 127.0.0.1:{server.port}" in outcome.text
    assert left_of(suite) == []
