"""The copy of a wheel's programs that root's servers can read."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from testkit.servers.ownership.workshop import maker
from testkit.servers.programs.wheels import _readable

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's servers need a copy")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An environment that is closed to others, with one program."""
    (tmp_path / "home/bin").mkdir(parents=True)
    (tmp_path / "home").chmod(0o700)
    (tmp_path / "home/bin/program").touch(mode=0o700)
    return tmp_path / "home"


def test_every_user_may_read_and_run_what_was_copied(home: Path, tmp_path: Path) -> None:
    (home / "bin/program").chmod(0o755)
    copy = _readable(home, [home / "bin"], tmp_path / "binaries" / "wheel-1")

    assert (copy / "bin/program").stat().st_mode & 0o777 == 0o755
    assert [path.name for path in copy.parent.iterdir() if path.is_dir()] == ["wheel-1"]


def test_a_copy_whose_maker_was_killed_is_removed_by_the_next(home: Path, tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/true"]) as gone:
        pass
    mine, place = maker(), maker().rpartition("-")[2]
    folder = tmp_path / "binaries"
    for name in (f".draft-{gone.pid}-1-{place}-wheel-1", f".draft-{mine}-wheel-2"):
        (folder / name).mkdir(parents=True)
    _readable(home, [home / "bin"], folder / "wheel-1")

    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == [
        f".draft-{mine}-wheel-2",
        "wheel-1",
    ]
