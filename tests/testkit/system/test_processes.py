"""A process is its pid and its start: the same pid tomorrow is somebody else."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from testkit.system.processes import identify, is_alive

if TYPE_CHECKING:
    from pathlib import Path

FOR_EVER = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]


def test_this_process_is_alive_and_identified_the_same_way_twice() -> None:
    me = identify(os.getpid())

    assert me is not None
    assert me.pid == os.getpid()
    assert identify(os.getpid()) == me
    assert is_alive(me)


def test_a_child_that_was_reaped_is_no_process() -> None:
    with subprocess.Popen(FOR_EVER, stdin=subprocess.PIPE) as child:
        identity = identify(child.pid)
        assert identity is not None
        alive = is_alive(identity)
    child.wait()

    assert (alive, is_alive(identity), identify(child.pid)) == (True, False, None)


def test_a_zombie_is_no_process() -> None:
    with subprocess.Popen(FOR_EVER, stdin=subprocess.PIPE) as child:
        identity = identify(child.pid)
        assert identity is not None
        assert child.stdin is not None
        child.stdin.close()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # ended, but not reaped
        alive = is_alive(identity)
        os.kill(child.pid, 0)  # the pid is still taken

    assert not alive


def test_a_pid_that_somebody_else_has_now_is_not_alive() -> None:
    me = identify(os.getpid())
    assert me is not None
    earlier = dataclasses.replace(me, started="1")
    before_the_boot = dataclasses.replace(me, boot="another boot")

    assert not is_alive(earlier)
    assert not is_alive(before_the_boot)


def test_children_started_one_after_the_other_have_identities_of_their_own() -> None:
    with (
        subprocess.Popen(FOR_EVER, stdin=subprocess.PIPE) as one,
        subprocess.Popen(FOR_EVER, stdin=subprocess.PIPE) as two,
    ):
        identities = {identify(one.pid), identify(two.pid), identify(os.getpid())}

    assert len(identities) == 3
    assert None not in identities


def test_a_program_with_parentheses_and_spaces_in_its_name_is_identified(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    shutil.copy("/bin/cat", program)
    with subprocess.Popen([program], stdin=subprocess.PIPE) as child:
        identity = identify(child.pid)
        assert identity is not None
        alive = is_alive(identity)

    assert alive
    assert identity.started.isdigit() or sys.platform != "linux"
