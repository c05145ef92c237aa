"""Where the cache lies: the usual place, a spare one, or the one that was named."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.servers.templates.place import cache_directory

# As root the place would be writable whatever its mode is: the script becomes ``nobody`` first.
ELSEWHERE = """
import os, sys
from testkit.core.options import Settings
from testkit.servers.templates.place import cache_directory
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
path, note = cache_directory(Settings())
print(path, oct(path.stat().st_mode), note, sep="\\n")
"""


@pytest.fixture
def shared(place: Path) -> Path:
    """A directory in which anybody can write."""
    path = place / "tmp"
    path.mkdir()
    path.chmod(0o1777)
    return path


def test_a_named_directory_is_made_and_private(tmp_path: Path) -> None:
    path, note = cache_directory(Settings(cache_dir=str(tmp_path / "my cache")))

    assert (path, note) == (tmp_path / "my cache", None)
    assert stat.S_IMODE(path.stat().st_mode) & ~0o011 == 0o700
    assert list(path.iterdir()) == []


def test_a_named_directory_may_start_in_the_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert cache_directory(Settings(cache_dir="~/c"))[0] == tmp_path / "c"


@pytest.mark.parametrize(("below", "code"), [("file/cache", "TK104"), ("file", "TK105")])
def test_a_named_place_that_is_a_file_or_below_one_cannot_be_used(
    tmp_path: Path, below: str, code: str
) -> None:
    (tmp_path / "file").touch()
    settings = Settings(
        cache_dir=str(tmp_path / below), sources={"cache_dir": "--testkit-cache-dir"}
    )
    with pytest.raises(TestkitError) as caught:
        cache_directory(settings)

    assert caught.value.code == code
    assert str(tmp_path / below) in str(caught.value)


def test_the_source_of_a_named_place_that_cannot_be_used_is_shown(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = Settings(cache_dir=f"{tmp_path}/file/c", sources={"cache_dir": "pyproject.toml"})
    with pytest.raises(TestkitError, match=r"where: pyproject\.toml") as caught:
        cache_directory(settings)

    assert caught.value.code == "TK104"


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no new directories, also by root")
def test_a_named_place_on_a_read_only_file_system_cannot_be_used() -> None:
    with pytest.raises(TestkitError) as caught:
        cache_directory(Settings(cache_dir="/proc/cache"))

    assert caught.value.code == "TK104"


def test_a_named_place_that_is_not_private_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    open_to_others = tmp_path / "open"
    open_to_others.mkdir()
    open_to_others.chmod(0o777)
    for path in (tmp_path / "link", open_to_others):
        with pytest.raises(TestkitError) as caught:
            cache_directory(Settings(cache_dir=str(path)))

        assert (caught.value.code, caught.value.values["path"]) == ("TK105", path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root has one cache for the machine: run as a user")
def test_the_cache_of_a_user_follows_the_desktop_s_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert cache_directory(Settings()) == (tmp_path / "testkit", None)


def test_a_home_that_cannot_be_written_gives_a_spare_place_and_a_note(
    shared: Path, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    environment = {k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"} | {
        "HOME": str(blocked / "home"),
        "TMPDIR": str(shared),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    path, mode, note = done.stdout.splitlines()
    user = os.geteuid() or 65534

    assert Path(path) == shared / f"testkit-cache-{user}"
    assert int(mode, 8) & 0o777 == 0o700
    assert note.startswith(f"cache in {path}: ")
    assert f"{blocked}/home" in note


def test_a_spare_place_that_somebody_else_prepared_is_refused(shared: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    user = os.geteuid() or 65534
    (shared / f"testkit-cache-{user}").symlink_to(trap)
    environment = os.environ | {"XDG_CACHE_HOME": "/proc/none", "TMPDIR": str(shared)}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "TK105" in done.stderr
    assert list(trap.iterdir()) == []
