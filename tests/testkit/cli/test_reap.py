"""``testkit reap``: what a dead owner left goes; whatever else there is stays.

Every test has a directory for temporary files and a cache of its own. What other runs of this
machine have is in sight of the command all the same: that they do not notice is what it promises.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testkit.cli import reap
from testkit.core.options import Settings
from testkit.servers.ownership.records import run_prefix
from testkit.servers.ownership.verdicts import Step
from testkit.servers.programs.binaries import Binaries
from testkit.servers.roads.choice import find_redis
from testkit.servers.templates.place import cache_directory
from testkit.servers.upkeep.reap import Done
from testkit.system.processes import identify, is_alive
from tests.support.commands import called, held_run, servers_in
from tests.support.processes import LINUX, ended_process, processes_below
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from testkit.system.processes import ProcessIdentity
    from tests.testkit.cli.conftest import HeldRun

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")


def reaped(folder: Path, *options: str) -> dict[str, Any]:
    """Call ``testkit reap`` where temporary files and the cache lie in ``folder``."""
    done = called("reap", "--format", "json", *options, folder=folder, **places(folder))

    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def places(folder: Path) -> dict[str, str]:
    return {"TMPDIR": str(folder), "TESTKIT_CACHE_DIR": str(folder / "cache")}


def left_by(owner: object, folder: Path, token: str) -> Path:
    path = folder / f"{run_prefix()}{token}"
    path.mkdir()
    (path / "owner.json").write_text(json.dumps(owner))
    return path


def everything_below(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


def template(folder: Path, name: str, *, used: int) -> Path:
    path = folder / "cache" / "clusters" / name
    path.mkdir(parents=True)
    (path / "cluster.json").write_text("{}")
    os.utime(path / "cluster.json", (used, used))
    return path


def test_a_directory_of_a_dead_owner_goes_and_the_step_is_told(temporary: Path) -> None:
    gone = ended_process()
    left = left_by(asdict(gone), temporary, "dead")
    found = reaped(temporary)
    [step] = [step for step in found["steps"] if step["path"] == str(left)]

    assert (found["version"], found["dry_run"]) == (1, False)
    assert step == {
        "action": "remove",
        "what": "run directory",
        "path": str(left),
        "pid": None,
        "why": f"its owner, process {gone.pid}, is gone",
        "done": True,
        "problem": None,
    }
    assert not left.exists()


@pytest.mark.slow
def test_a_dry_run_tells_the_same_and_changes_nothing(temporary: Path) -> None:
    left = left_by(asdict(ended_process()), temporary, "dead")
    old = template(temporary, "0123456789abcdef", used=0)
    before = everything_below(temporary)
    found = reaped(temporary, "--dry-run")
    steps = {(s["action"], s["path"], s["done"]) for s in found["steps"]}

    assert {("remove", str(left), False), ("remove", str(old), False)} <= steps
    assert everything_below(temporary) == before


def test_templates_that_nobody_used_for_a_month_go(temporary: Path) -> None:
    old = template(temporary, "0123456789abcdef", used=0)
    new = template(temporary, "base-0123456789ab", used=int(temporary.stat().st_mtime))
    reaped(temporary)

    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [{"namespace": "pid:[1]"}, {"more": ""}, {"pid": "7"}],
    ids=["of another container", "of another version", "of another shape"],
)
def test_what_cannot_be_judged_is_left_alone_and_named(
    temporary: Path, change: dict[str, str]
) -> None:
    left = left_by(asdict(ended_process()) | change, temporary, "odd")
    found = reaped(temporary)

    assert left.is_dir()
    assert str(left) in {item["path"] for item in found["left_alone"]}


def test_a_living_owner_keeps_its_directory(temporary: Path) -> None:
    me = identify(os.getpid())
    assert me is not None
    left = left_by(asdict(me), temporary, "mine")
    found = reaped(temporary)

    assert left.is_dir()
    assert str(left) not in str(found)


def test_a_link_named_like_a_run_is_left_alone(temporary: Path, tmp_path: Path) -> None:
    theirs = left_by(asdict(ended_process()), tmp_path, "theirs")
    link = temporary / theirs.name
    link.symlink_to(theirs)
    reaped(temporary)

    assert link.is_symlink()
    assert (theirs / "owner.json").exists()


@ROOT
def test_a_directory_of_another_user_is_left_alone(temporary: Path) -> None:
    left = left_by(asdict(ended_process()), temporary, "theirs")
    os.chown(left, 54321, 54321)
    found = reaped(temporary)

    assert left.is_dir()
    assert str(left) not in str(found)


@pytest.mark.slow
def test_a_neighbour_s_running_servers_are_left_alone(temporary: Path, held: HeldRun) -> None:
    before = servers_in(held.project, held.pid)
    found = reaped(temporary)
    question = ("psql", "--", "-Atc", "SELECT 40 + 2")

    assert not {s["pid"] for s in before.values()} & {step["pid"] for step in found["steps"]}
    assert [identify(s["pid"]) is not None for s in before.values()] == [True, True]
    assert called(*question, folder=held.project).stdout == "42\n"


def test_nothing_to_do_is_said_in_words() -> None:
    text = reap._as_text([], [], dry_run=False)

    assert text == "there is nothing to remove: no dead owner has left anything."


@pytest.mark.parametrize(
    ("problem", "dry_run", "line"),
    [
        (None, False, "removed data /dev/shm/x\\x1b (its owner, process 7, is gone)"),
        (None, True, "would remove data /dev/shm/x\\x1b (its owner, process 7, is gone)"),
        ("No such luck", False, "could not remove data /dev/shm/x\\x1b (No such luck)"),
    ],
)
def test_each_step_is_a_line(problem: str | None, line: str, *, dry_run: bool) -> None:
    step = Step("remove", "data", "/dev/shm/x\x1b", "its owner, process 7, is gone")

    assert reap._as_text([Done(step, problem)], [], dry_run=dry_run) == line


@LINUX
def test_a_server_without_a_keeper_is_ended_where_its_directory_names_a_dead_owner(
    temporary: Path,
) -> None:
    left = left_by(asdict(ended_process()), temporary, "dead")
    program = find_redis(Settings(), cache_directory(Settings())[0])
    assert isinstance(program, Binaries)
    command = [program.program(program.server), "--port", "0", "--unixsocket", "here", "--save", ""]
    with subprocess.Popen(command, cwd=left, stdout=subprocess.DEVNULL) as server:
        wait_until((left / "here").exists)
        found = reaped(temporary)
        ended = {(s["what"], s["pid"], s["done"]) for s in found["steps"] if s["action"] == "end"}

        assert ("redis", server.pid, True) in ended
        assert server.wait() == -signal.SIGKILL
    assert not left.exists()


def killed_with_its_keepers(folder: Path) -> list[ProcessIdentity]:
    """Start a run in ``folder``, kill its keepers, then its owner; answer who the keepers were."""
    with held_run(folder, **places(folder)) as owner:
        servers = servers_in(folder, owner.pid, **places(folder))
        keepers = [identify(server["pid"]) for server in servers.values()]
        for server in servers.values():
            os.kill(server["pid"], signal.SIGKILL)
        owner.kill()
        owner.wait()
    return [keeper for keeper in keepers if keeper is not None]


@LINUX
@pytest.mark.slow
def test_after_the_kill_of_keepers_and_owner_nothing_is_left(temporary: Path) -> None:
    keepers = killed_with_its_keepers(temporary)
    names = [path.name for path in temporary.glob(f"{run_prefix()}*")]
    reaped(temporary)
    left = [place / name for place in (temporary, Path("/dev/shm")) for name in names]

    assert (len(keepers), len(names)) == (2, 1)
    assert [path for path in left if path.exists()] == []
    assert [line for path in left for line in processes_below(path)] == []


@LINUX
@pytest.mark.slow
def test_a_keeper_that_was_stopped_is_woken_and_ends_its_server(temporary: Path) -> None:
    with held_run(temporary, "--no-postgres", **places(temporary)) as owner:
        [server] = servers_in(temporary, owner.pid, **places(temporary)).values()
        keeper = identify(server["pid"])
        assert keeper is not None
        os.kill(keeper.pid, signal.SIGSTOP)
        owner.kill()
        owner.wait()
    try:
        [listed] = servers_in(temporary, owner.pid, **places(temporary)).values()
        found = reaped(temporary)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(keeper.pid, signal.SIGCONT)

    assert (listed["owner_alive"], listed["state"]) == (False, "left by a dead owner")
    assert ("end", "keeper", keeper.pid) in {
        (step["action"], step["what"], step["pid"]) for step in found["steps"]
    }
    assert not is_alive(keeper)
    assert [*temporary.glob(f"{run_prefix()}*")] == []
