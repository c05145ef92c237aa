"""SIGKILL in the middle of a reset: nothing is left, and the next run is clean."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from testkit.core.provided import provided
from tests.support.alembic_project import AlembicProject
from tests.support.processes import LINUX, command_lines
from tests.support.suites import Suite
from tests.support.waiting import wait_until

pytestmark = [LINUX, pytest.mark.slow]

CONFIGURATION = """
    schema = "alembic"
    env = { DATABASE_URL = "{database.url}", PLAIN_URL = "{database.url:libpq}", REDIS_URL = "{redis.url}" }
"""
SUITE = """
    import os, pathlib, threading
    import psycopg, pytest, redis

    STOP = os.environ.get("STOP") and os.environ.get("PYTEST_XDIST_WORKER", "gw0") == "gw0"

    def say(word):
        pathlib.Path("new").write_text(
            f"{os.environ['TESTKIT_RUN'].partition(':')[0]} {os.getpid()} {os.environ['PLAIN_URL']}"
        )
        pathlib.Path("new").rename(word)

    def await_word(word):
        while not pathlib.Path(word).exists():
            threading.Event().wait(0.01)

    # What connects before its end is no test's.
    @pytest.fixture(scope="module", autouse=True)
    def of_the_module():
        if STOP:
            say("connect")
            await_word("connected")

    @pytest.mark.parametrize("n", range(3))
    def test_it(n):
        with psycopg.connect(os.environ["PLAIN_URL"], autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM shop").fetchone() == (0,)
            connection.execute("INSERT INTO shop VALUES (1, 'mine')")
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            assert client.incr("count") == 1
        if STOP:
            say("seen")
            await_word("go on")
"""
# Testkit's own session, in its undo, waits for the lock that is held below.
IN_RESET = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%undo(%'
"""


@pytest.mark.parametrize("workers", [pytest.param("0", marks=pytest.mark.soak), "2"])
@pytest.mark.parametrize(
    "victim", [pytest.param("the controller", marks=pytest.mark.soak), "who resets"]
)
def test_nothing_is_left_of_a_run_that_was_killed_in_the_middle_of_a_reset(
    tmp_path: Path, workers: str, victim: str
) -> None:
    suite = Suite(tmp_path, test_it=SUITE)
    AlembicProject(tmp_path)
    suite.configure(CONFIGURATION)
    process = suite.start("-n", workers, "-x", STOP="1")
    try:
        wait_until((tmp_path / "connect").exists, seconds=60)
        token, pid, url = (tmp_path / "connect").read_text().split()
        provided.add("127.0.0.1", urlsplit(url).port)  # or the guard of our own run refuses it
        with (
            psycopg.connect(url) as holder,
            psycopg.connect(url, autocommit=True) as onlooker,
        ):
            (tmp_path / "connected").touch()
            wait_until((tmp_path / "seen").exists, seconds=60)
            # In this mode the lock writes nothing: the reset does not take it for a test's work.
            holder.execute("LOCK TABLE shop IN SHARE MODE")
            (tmp_path / "go on").touch()
            wait_until(lambda: onlooker.execute(IN_RESET).fetchone() != (0,), seconds=20)
            os.kill(process.pid if victim == "the controller" else int(pid), signal.SIGKILL)
        process.wait(60)
    finally:
        process.kill()
        process.wait()
    outcome = suite.run("-n", workers)

    outcome.check(passed=3)
    wait_until(lambda: left(token) == [], seconds=15)


def left(token: str) -> list[str]:
    """Return the processes and directories that carry the name of a run."""
    found = [str(p) for root in ("/tmp", "/dev/shm") for p in Path(root).glob(f"*{token}*")]
    for path, line in command_lines().items():
        try:
            place = str((path / "cwd").readlink())
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
        if token in line or token in place:
            found.append(line)
    return found
