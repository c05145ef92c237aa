"""Processes of a dead run that nobody watches any more are found; a shell there is none of them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.core.options import Settings
from testkit.servers.ownership.verdicts import DEAD, IN_USE, Leftover
from testkit.servers.ownership.workshop import discard
from testkit.servers.programs.binaries import Binaries
from testkit.servers.programs.launch import PreparedKeeper
from testkit.servers.roads.choice import find_redis
from testkit.servers.templates.place import cache_directory
from testkit.servers.upkeep.strays import find_strays
from tests.support.processes import LINUX
from tests.support.runs import kept_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.servers.run import Run

pytestmark = LINUX


def left(path: Path, run: str = "") -> Leftover:
    return Leftover("run directory", str(path), 7, 60, DEAD, run)


def found(*leftovers: Leftover, below: Path | None = None) -> set[tuple[str, int]]:
    """Return the strays of these leftovers, or below a folder; others of this machine may have some."""
    ours = (str(below),) if below else tuple(item.path for item in leftovers)
    return {
        (stray.kind, stray.process.pid)
        for stray in find_strays(leftovers)
        if stray.process is not None and stray.path.startswith(ours)
    }


def test_the_keepers_and_servers_of_a_run_are_found_and_of_postgres_the_first_process(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings())
    postgres, redis = run.ensure_postgres(), run.ensure_redis()
    with postgres.connect() as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    data = Path(row[0])
    first = int((data / "postmaster.pid").read_text().splitlines()[0])
    stray = found(left(run.directory.path, run.token), left(data, run.token))
    keepers = {("keeper", kept_of(server).keeper.pid) for server in (postgres, redis)}
    servers = stray - keepers

    assert keepers < stray
    assert {kind for kind, _ in servers} == {"postgres", "redis"}
    assert len(servers) == 2
    assert ("postgres", first) in servers


def test_of_another_directory_nothing_is_found(new_run: Callable[..., Run], tmp_path: Path) -> None:
    run = new_run(tmp_path, Settings())
    run.ensure_redis()
    # The beginning of a name is no part of a path.
    beside = Path(str(run.directory.path)[:-1])

    assert found(left(beside, run.token[:-1]), left(tmp_path, "0badcafe")) == set()


def test_a_shell_that_somebody_opened_there_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/cat"], cwd=tmp_path, stdin=subprocess.PIPE):
        assert found(left(tmp_path)) == set()


def test_a_keeper_that_still_waits_for_its_order_is_found(tmp_path: Path) -> None:
    token = os.urandom(4).hex()
    with PreparedKeeper(f"testkit-{os.geteuid()}-{token}"):
        wait_until(lambda: found(left(tmp_path, token)))
        [(kind, _)] = found(left(tmp_path, token))

    assert kind == "keeper"


def test_a_program_of_that_name_elsewhere_is_no_keeper(tmp_path: Path) -> None:
    """The last argument must be the whole name of the run's directory."""
    script = tmp_path / "keeper.py"
    script.write_text("import sys; print(flush=True); sys.stdin.read()")
    label = f"testkit-{os.geteuid()}-abc"
    with subprocess.Popen(
        [sys.executable, "-S", script, f"{label}d"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()

        assert found(left(tmp_path / "x", "abc")) == set()


@pytest.mark.parametrize("renamed", [False, True])
def test_a_server_whose_directory_was_swept_is_found_by_the_name_of_it(
    tmp_path: Path, *, renamed: bool
) -> None:
    folder = tmp_path / f"testkit-{os.geteuid()}-swept"
    (folder / "redis-main").mkdir(parents=True)
    program = find_redis(Settings(), cache_directory(Settings())[0])
    assert isinstance(program, Binaries)
    command = [program.program(program.server), "--port", "0", "--unixsocket", "here", "--save", ""]
    place = folder / "redis-main"
    with subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL) as server:
        try:
            wait_until((place / "here").exists)
            before = found(below=tmp_path)
            discard(folder) if renamed else shutil.rmtree(folder)
            after = found(below=tmp_path)
            # Elsewhere somebody of that name is alive: then it is his.
            living = Leftover("data", "/dev/shm/x", 7, 60, IN_USE, "swept")
            claimed = found(living, below=tmp_path)
        finally:
            server.terminate()

    assert (before, claimed) == (set(), set())
    # Unless `testkit reap` of another run of these tests was quicker.
    assert after == {("redis", server.pid)} or server.returncode == -signal.SIGKILL
