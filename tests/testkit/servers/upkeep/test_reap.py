"""Carrying out a plan: only what it names, looked at again before it goes."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

import pytest

from testkit.servers.ownership.verdicts import Step
from testkit.servers.upkeep.reap import carry_out, end
from testkit.system.processes import ProcessIdentity, identify, is_alive
from tests.support.processes import ended_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Says that it is ready, then hears nothing but SIGKILL.
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True);"
    " input()"
)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits to be ended."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def identity_of(process: subprocess.Popen[bytes]) -> ProcessIdentity:
    found = identify(process.pid)
    assert found is not None
    return found


def step(what: str, path: Path, action: Literal["end", "remove"] = "remove") -> Step:
    return Step(action, what, str(path), "its owner is gone")


def left_by(owner: ProcessIdentity, folder: Path) -> Path:
    (folder / "deep" / "down").mkdir(parents=True)
    (folder / "owner.json").write_text(json.dumps(asdict(owner)))
    return folder


def test_a_process_gets_the_signal_and_is_waited_for(sleeper: subprocess.Popen[bytes]) -> None:
    end(identity_of(sleeper), signal.SIGTERM, patience=5)

    assert sleeper.wait() == -signal.SIGTERM


def test_a_process_that_was_stopped_is_woken_to_end(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identity_of(sleeper)
    sleeper.send_signal(signal.SIGSTOP)
    end(identity, signal.SIGTERM, patience=5)

    assert sleeper.wait() == -signal.SIGTERM


def test_a_process_that_does_not_listen_is_killed() -> None:
    with subprocess.Popen(
        [sys.executable, "-Sc", DEAF], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        end(identity_of(process), signal.SIGTERM, patience=0.05)

    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("field", ["started", "boot", "namespace"])
def test_another_process_of_that_pid_hears_nothing(
    sleeper: subprocess.Popen[bytes], field: str
) -> None:
    identity = identity_of(sleeper)
    end(ProcessIdentity(**asdict(identity) | {field: "other"}), signal.SIGKILL, patience=5)

    assert is_alive(identity)
    assert sleeper.poll() is None


def test_a_process_that_has_ended_is_no_problem(tmp_path: Path) -> None:
    gone = dataclasses.replace(step("keeper", tmp_path, "end"), process=ended_process())

    assert [done.problem for done in carry_out([gone])] == [None]


@pytest.mark.parametrize("what", ["run directory", "data"])
def test_a_directory_of_a_gone_owner_goes(tmp_path: Path, what: str) -> None:
    left = left_by(ended_process(), tmp_path / "left")
    problems = [done.problem for done in carry_out([step(what, left), step(what, left)])]

    assert (problems, left.exists()) == ([None, None], False)


def test_a_directory_that_has_an_owner_by_now_stays(
    tmp_path: Path, myself: ProcessIdentity
) -> None:
    left = left_by(myself, tmp_path / "left")
    [done] = carry_out([step("run directory", left)])

    assert (done.problem, left.exists()) == ("it is not what it was a moment ago", True)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    real = left_by(ended_process(), tmp_path / "real")
    (tmp_path / "link").symlink_to(real)
    [done] = carry_out([step("run directory", tmp_path / "link")])

    assert done.problem is not None
    assert (real / "deep" / "down").is_dir()


def test_links_in_a_directory_do_not_lead_out_of_it(tmp_path: Path) -> None:
    left = left_by(ended_process(), tmp_path / "left")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (left / "deep" / "link").symlink_to(tmp_path / "mine")
    [done] = carry_out([step("run directory", left)])

    assert (done.problem, left.exists()) == (None, False)
    assert (tmp_path / "mine" / "file").read_text() == "mine"


@pytest.mark.parametrize("kind", ["template", "fingerprint"])
def test_an_old_entry_of_the_cache_goes_unless_somebody_used_it_meanwhile(
    tmp_path: Path, kind: str
) -> None:
    def entry(name: str) -> Path:
        path = tmp_path / name
        if kind == "template":
            path.mkdir()
            (path / "cluster.json").write_text("{}")
            os.utime(path / "cluster.json", (0, 0))
        else:
            path.write_text("{}")
            os.utime(path, (0, 0))
        return path

    old, used = entry("old"), entry("used")
    os.utime(used / "cluster.json" if kind == "template" else used)
    problems = [done.problem for done in carry_out([step(kind, old), step(kind, used)])]

    assert problems == [None, None]
    assert [path.name for path in tmp_path.iterdir()] == ["used"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_what_cannot_be_removed_is_told_and_does_not_stop_the_rest(tmp_path: Path) -> None:
    stuck = left_by(ended_process(), tmp_path / "stuck")
    (stuck / "deep").chmod(0o500)
    other = left_by(ended_process(), tmp_path / "other")
    problems = [
        done.problem
        for done in carry_out([step("run directory", stuck), step("run directory", other)])
    ]
    [rest] = tmp_path.glob("testkit-build-*-stuck")  # the next one to reap judges it by our name
    (rest / "deep").chmod(0o700)

    assert (problems[1], other.exists()) == (None, False)
    assert problems[0] == "Permission denied"
