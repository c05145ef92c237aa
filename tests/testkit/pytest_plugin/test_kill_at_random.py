"""SIGKILL at any moment of a run: after the next run nothing of it is left, nobody is disturbed."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.options import Settings
from testkit.servers.templates.place import cache_directory
from tests.support.alembic_project import AlembicProject
from tests.support.containers import docker_client
from tests.support.killing import NOBODY, Kill, RunToKill, draw_kill, repetitions
from tests.support.processes import LINUX
from tests.support.suites import Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

pytestmark = [LINUX, pytest.mark.timeout(400)]

TESTS = 12
ATTEMPTS = 3  # at killing a run before it ends: on a machine at work none takes as long as another
CONFIGURATION = """
    schema = "alembic"
    postgres = "{road}"
    redis = "{road}"
    env = {{ DATABASE_URL = "{{database.url}}", REDIS_URL = "{{redis.url}}" }}
"""
SERVERS = """
    import os, pathlib, threading
    import pytest
    import redis
    import sqlalchemy as sa

    @pytest.fixture(scope="module")
    def engine():
        return sa.create_engine(os.environ["DATABASE_URL"], poolclass=sa.NullPool)

    @pytest.fixture(scope="module")
    def client():
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as found:
            yield found
"""
SUITE = """
    from servers import *

    @pytest.mark.parametrize("n", range({tests}))
    def test_it(n, engine, client):
        with engine.begin() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM shop")) == 0
            connection.execute(sa.text("INSERT INTO shop VALUES (1, 'mine')"))
        assert client.incr("count") == 1
"""
# Goes on until it is told to stop, and looks all the time whether what it has is still there.
NEIGHBOUR = """
    from servers import *

    def test_nobody_takes_anything_away(engine, client):
        parent, pause = os.getppid(), threading.Event()
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO shop VALUES (1, 'the neighbour''s')"))
        client.set("mine", "the neighbour's")
        while not pathlib.Path("stop").exists() and os.getppid() == parent:
            with engine.connect() as connection:
                names = connection.scalars(sa.text("SELECT name FROM shop")).all()
            assert (names, client.get("mine")) == (["the neighbour's"], b"the neighbour's")
            pathlib.Path("ready").touch()
            pause.wait(0.1)

    def test_the_servers_are_its_own_to_the_end(engine, client):
        with engine.connect() as connection:
            assert connection.scalar(sa.text("SELECT count(*) FROM shop")) == 0
        assert client.dbsize() == 0
"""


def suite_in(folder: Path, road: str, **files: str) -> Suite:
    """Make a checkout: the same project in every folder."""
    suite = Suite(folder, servers=SERVERS, **files)
    AlembicProject(folder).version(
        "0002", 'op.execute("CREATE INDEX ON shop (name)")', after="0001"
    )
    suite.configure(CONFIGURATION.format(road=road))
    return suite


@dataclass
class Ground:
    """Where runs of one road are killed: the suite, its neighbour, how long a run takes."""

    place: Path
    suite: Suite
    neighbour: subprocess.Popen[bytes]
    others: frozenset[str]
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def cache(self, kind: str) -> Iterator[Path]:
        """Give the machine's cache directory or, for a run that builds everything, an empty one."""
        if kind == "warm":
            yield cache_directory(Settings())[0]
            return
        folder = Path(tempfile.mkdtemp(prefix="cache-", dir=self.place))
        folder.chmod(0o711)
        yield folder
        shutil.rmtree(folder)

    def variables(self, cache: Path) -> dict[str, str]:
        return {"TMPDIR": str(self.place), "TESTKIT_CACHE_DIR": str(cache)}

    def whole_run(self, cache: Path) -> float:
        """Run the suite, which must be green; answer how many seconds that took."""
        began = time.monotonic()
        outcome = self.suite.run("-n", "2", timeout=120, **self.variables(cache))
        outcome.check(passed=TESTS)
        return time.monotonic() - began

    def start(self, cache: Path) -> RunToKill:
        mark = secrets.token_hex(8)
        variables = self.variables(cache) | {"RUN_TO_KILL": mark}
        process = self.suite.start("-n", "2", output=None, new_session=True, **variables)
        return RunToKill(process, mark, self.place, self.others, cache)


@pytest.fixture(scope="session")
def ground() -> Iterator[Callable[[str], Ground]]:
    """Make the ground of a road, once; at the end its neighbour must have passed."""
    grounds: dict[str, Ground] = {}

    def make(road: str) -> Ground:
        if road not in grounds:
            place = Path(tempfile.mkdtemp(prefix="testkit-kill-", dir="/tmp"))
            place.chmod(0o711)  # root's servers run as another user
            suite = suite_in(place / "killed", road, test_it=SUITE.format(tests=TESTS))
            other = suite_in(place / "neighbour", road, test_it=NEIGHBOUR)
            with (place / "neighbour.log").open("wb") as log:
                process = other.start(output=log, TMPDIR=str(place))
            wait_until((place / "neighbour/ready").exists, seconds=90)
            names = frozenset(path.name for path in place.glob("testkit-*"))
            grounds[road] = Ground(place, suite, process, names)
        return grounds[road]

    yield make
    for found in grounds.values():
        (found.place / "neighbour/stop").touch()
        code = found.neighbour.wait(60)
        text = (found.place / "neighbour.log").read_text()
        shutil.rmtree(found.place)

        assert code == 0, text
        assert "2 passed" in text


@pytest.mark.parametrize(("number", "times"), repetitions())
@pytest.mark.parametrize("road", ["embedded", pytest.param("docker", marks=pytest.mark.soak)])
def test_nothing_is_left_of_a_run_that_was_killed_at_any_moment(
    request: pytest.FixtureRequest,
    ground: Callable[[str], Ground],
    road: str,
    number: int,
    times: int,
) -> None:
    # It rotates with that of the order of the tests, which the header shows: --randomly-seed=N
    # draws the same shares of the run's duration and the same victims again.
    seed = request.config.getoption("randomly_seed", 0)
    with docker_client() if road == "docker" else contextlib.nullcontext() as client:
        here = ground(road)
        for attempt in range(ATTEMPTS):
            kill = draw_kill(seed, road, number, times, attempt)
            tell(f"seed {seed}: {kill}")
            if killed(here, kill, client):
                break

        assert here.neighbour.poll() is None, (here.place / "neighbour.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [
        "migrate",
        pytest.param("initdb", marks=pytest.mark.soak),
        pytest.param("postgres --boot", marks=pytest.mark.soak),
        pytest.param("postgres --single", marks=pytest.mark.soak),
    ],
)
def test_nothing_is_left_of_a_run_that_was_killed_while_it_built_a_template(
    ground: Callable[[str], Ground], program: str
) -> None:
    here = ground("embedded")
    name, _, argument = program.partition(" ")

    def at_work() -> bool:
        lines = run.processes().values()
        return any(name in line and argument in line for line in lines)

    with here.cache("cold") as cache:
        run = here.start(cache)
        wait_until(at_work, seconds=60)
        run.kill(Kill("group", 0, 0, waits=False, cache="cold"))
        run.process.wait()
        here.whole_run(cache)
        wait_until(lambda: run.left(None) == [], seconds=15)

    assert here.neighbour.poll() is None


def killed(here: Ground, kill: Kill, client: Any) -> bool:
    """Kill a run, run the suite again and look what is left; False where the run was quicker."""
    if kill.cache not in here.seconds:
        with here.cache(kill.cache) as cache:
            here.seconds[kill.cache] = here.whole_run(cache)
    with here.cache(kill.cache) as cache:
        run = here.start(cache)
        took = run.wait_for(kill.share * here.seconds[kill.cache])
        whom = run.kill(kill)
        tell(f"{whom} at {took:.2f} s of {here.seconds[kill.cache]:.2f}")
        if kill.victim == "worker":
            run.process.wait(120)  # xdist goes on with the others
        if kill.waits:
            at = time.monotonic()
            wait_until(lambda: not run.containers(client), seconds=30)
            tell(f"no container {time.monotonic() - at:.2f} s after that")
            wait_until(lambda: not run.processes(), seconds=30)
            tell(f"no process {time.monotonic() - at:.2f} s after that")
        run.process.wait(60)
        seconds = here.whole_run(cache)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: run.left(client) == [], seconds=15)

        assert run.left(client) == []

    if whom == NOBODY:
        here.seconds[kill.cache] = took
    elif kill.cache == "warm":
        here.seconds["warm"] = seconds
    return whom != NOBODY


def tell(words: str) -> None:
    """Print what is shown where the test fails, and by ``-rP`` where it does not."""
    print(words)  # noqa: T201 - the seed must be known afterwards
