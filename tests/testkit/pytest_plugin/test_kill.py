"""What is left when a run is killed: nothing."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import command_lines
from tests.support.suites import Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
# A test that says where it runs and then waits until it is killed.
WAITING = """
    import os, pathlib, threading
    import pytest
    import redis
    import sqlalchemy as sa

    @pytest.mark.parametrize("n", range(2))
    def test_it(n, tmp_path_factory):
        engine = sa.create_engine(os.environ["DATABASE_URL"])
        with engine.begin() as connection, redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            connection.execute(sa.text("CREATE TABLE IF NOT EXISTS left_over (id int)"))
            client.set("left", "over")
            pathlib.Path(f"seen-{os.getpid()}").write_text(os.environ["TESTKIT_RUN"])
            if os.environ.get("STAY"):
                threading.Event().wait(60)
        engine.dispose()
"""

pytestmark = pytest.mark.slow


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = Suite(tmp_path, test_it=WAITING)
    suite.configure(ENV)
    return suite


@pytest.fixture
def running(suite: Suite) -> Iterator[subprocess.Popen[bytes]]:
    process = suite.start("-n", "2", STAY="1")
    yield process
    process.kill()
    process.wait()


def token(suite: Suite) -> str:
    """Return the token of the run whose two tests are waiting now."""
    wait_until(lambda: len(list(suite.folder.glob("seen-*"))) == 2, seconds=30)
    return next(suite.folder.glob("seen-*")).read_text().partition(":")[0]


def processes_of(token: str) -> list[str]:
    """Return the servers and keepers of a run: command line or working directory hold its token."""
    found = []
    for path, line in command_lines().items():
        try:
            place = str((path / "cwd").readlink())
        except OSError:
            continue
        if token in line or token in place:
            found.append(line)
    return found


def directories_of(token: str) -> list[Path]:
    return [path for root in ("/tmp", "/dev/shm") for path in Path(root).glob(f"*{token}*")]


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.soak),
        pytest.param(signal.SIGINT, marks=pytest.mark.soak),
    ],
)
def test_nothing_of_a_run_is_left_when_its_controller_was_ended(
    suite: Suite, running: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    name = token(suite)
    assert processes_of(name)
    assert directories_of(name)
    running.send_signal(number)
    wait_until(
        lambda: not processes_of(name) and not directories_of(name),
        seconds=10,  # benchmarks/servers.py measures it
    )
    running.wait()
    outcome = suite.run("-n", "2")

    outcome.check(passed=2)


def test_a_worker_that_is_killed_takes_its_redis_along_and_leaves_postgres_to_the_others(
    suite: Suite, running: subprocess.Popen[bytes]
) -> None:
    name = token(suite)
    pids = [int(path.name.removeprefix("seen-")) for path in suite.folder.glob("seen-*")]
    redis = [line for line in processes_of(name) if "valkey" in line]
    os.kill(pids[0], signal.SIGKILL)
    wait_until(
        lambda: len([x for x in processes_of(name) if "valkey" in x]) < len(redis), seconds=2
    )

    assert [line for line in processes_of(name) if "postgres" in line]
    assert running.poll() is None
