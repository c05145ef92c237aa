"""Private directories, locks between processes, copies and the place in RAM."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from testkit.core.messages import TestkitError
from testkit.system.files import (
    locked,
    open_to_all,
    ordinary_user,
    private_directory,
    ram_root,
    scratch_root,
    tail,
    write_private,
)

ROOT_ONLY = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can give files away: run the suite as root, as containers do",
)
HOLD = """
import sys
from pathlib import Path
from testkit.system.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_directory_is_made_with_its_parents_and_its_mode(tmp_path: Path) -> None:
    path = private_directory(tmp_path / "a" / "b")

    assert (path, mode(path)) == (tmp_path / "a" / "b", 0o700)
    assert mode(private_directory(path, mode=0o711)) == 0o711


def test_a_directory_of_ours_that_others_may_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.mkdir(mode=0o755)
    private_directory(path)

    assert mode(path) == 0o700


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    real = private_directory(tmp_path / "real")
    link = tmp_path / "link"
    link.symlink_to(real)
    with pytest.raises(TestkitError) as caught:
        private_directory(link)

    assert (caught.value.code, caught.value.values["path"]) == ("TK105", link)


def test_a_link_that_leads_nowhere_is_refused_too(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(TestkitError, match="TK105"):
        private_directory(link)

    assert not (tmp_path / "nowhere").exists()


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TestkitError, match="is no directory"):
        private_directory(tmp_path / "file")


def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "open"
    path.mkdir()
    path.chmod(0o777)
    with pytest.raises(TestkitError, match="can be written by others"):
        private_directory(path)

    assert mode(path) == 0o777


@ROOT_ONLY
def test_a_directory_of_somebody_else_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "theirs"
    path.mkdir(mode=0o700)
    os.chown(path, 4711, 4711)
    with pytest.raises(TestkitError, match="belongs to user id 4711"):
        private_directory(path)


def test_a_private_file_is_readable_by_its_owner_alone_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_text("old")
    path.chmod(0o644)
    write_private(path, "new")

    assert (path.read_text(), mode(path)) == ("new", 0o600)
    assert [entry.name for entry in tmp_path.iterdir()] == ["facts.json"]


def test_a_reader_sees_a_private_file_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    texts = {letter * (1 << 20) for letter in "ab"}
    done = threading.Event()

    def write() -> None:
        for _ in range(10):
            for text in texts:
                write_private(path, text)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = set()
    while not done.is_set():
        if path.exists():
            seen.add(path.read_text())
    writer.join()

    assert seen <= texts
    assert path.read_text() in texts


def test_a_link_in_the_place_of_the_draft_is_not_written_through(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / f".facts.json.{os.getpid()}").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_private(tmp_path / "facts.json", "new")

    assert victim.read_text() == "mine"


@pytest.mark.slow
def test_a_lock_keeps_another_process_out_until_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    waiting = threading.Event()
    inside = threading.Event()

    def enter() -> None:
        with locked(path, waiting=waiting.set):
            inside.set()

    with subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        thread = threading.Thread(target=enter)
        thread.start()
        assert waiting.wait(10)
        before = inside.is_set()
        other.kill()
        other.wait()
        thread.join(10)

    assert (before, inside.is_set()) == (False, True)


def test_a_free_lock_calls_nobody(tmp_path: Path) -> None:
    calls: list[None] = []
    with locked(tmp_path / "lock", waiting=lambda: calls.append(None)):
        assert mode(tmp_path / "lock") == 0o600
    with locked(tmp_path / "lock"):
        pass

    assert calls == []


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path / "lock"):
        pass

    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("".join(f"line {n}\n" for n in range(40)), "line 38\nline 39"),
        ("short", "short"),
        ("", "(the log is empty)"),
        ("bad \udcff byte", "bad \ufffd byte"),
    ],
)
def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path, text: str, end: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(text.encode(errors="surrogateescape"))

    assert tail(path, lines=2) == end


def test_the_tail_of_a_log_that_is_not_there_says_so(tmp_path: Path) -> None:
    assert tail(tmp_path / "log") == "(no log: No such file or directory)"


@pytest.mark.skipif(sys.platform != "linux", reason="the RAM disk is Linux's /dev/shm")
def test_a_ram_disk_with_too_little_room_is_passed_over_and_says_how_little() -> None:
    place, words = ram_root(wanted=1 << 60)

    assert place is None
    assert words.startswith("data on disk: /dev/shm has ")
    assert words.endswith(f" MB free, {1 << 40} MB are wanted")


@pytest.mark.skipif(sys.platform != "linux", reason="the RAM disk is Linux's /dev/shm")
def test_a_ram_disk_with_room_is_taken() -> None:
    assert ram_root(wanted=1) == (Path("/dev/shm"), "data in RAM")


@ROOT_ONLY
def test_root_gets_a_scratch_place_that_the_servers_user_can_reach() -> None:
    assert ordinary_user() == 65534
    assert open_to_all(scratch_root())


def test_a_path_below_a_closed_directory_is_not_open_to_all(tmp_path: Path) -> None:
    closed = private_directory(tmp_path / "closed")
    below = closed / "below"
    below.mkdir(mode=0o755)

    assert open_to_all(Path("/"))
    assert not open_to_all(below)
