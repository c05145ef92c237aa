"""The log of draws: what was written is read, and what is old goes."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
import time_machine

from testkit.system.draw_log import (
    MOST_BYTES,
    MOST_LOGS,
    DrawLog,
    LoggedProcess,
    prune,
    read_logs,
)

if TYPE_CHECKING:
    from pathlib import Path

ODD = "test_a.py::test[\n\x1b[31m'\"\\ü\udc80{}]"


def only(folder: Path) -> LoggedProcess:
    [process] = read_logs(folder)
    return process


def doing(process: LoggedProcess, count: int) -> str | None:
    drawer = process.drawer(count)
    return drawer.doing if drawer is not None else None


def aged(folder: Path, *, count: int, size: int) -> list[str]:
    """Write logs, each a second older than the one before; return their names."""
    names = [f"{number:08x}.log" for number in range(count)]
    for age, name in enumerate(names):
        (folder / name).write_bytes(b"\n" * size)
        os.utime(folder / name, (1e9 - age, 1e9 - age))
    return names


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_is_read(tmp_path: Path) -> None:
    log = DrawLog(tmp_path, "7f3a9c2e", "gw1")
    log.note_count(1, ODD)
    log.note_number("t.n", 17, "0h", ODD)
    log.note_end(3)
    log.close()
    process = only(tmp_path)
    [number] = process.numbers

    assert (process.token, process.worker, process.last) == ("7f3a9c2e", "gw1", 3)
    assert (number.space, number.number, number.text, number.doing) == ("t.n", 17, "0h", ODD)
    assert 0 <= number.at - process.counts[0].at < 60


def test_the_time_is_right_where_a_test_has_stopped_the_clock(tmp_path: Path) -> None:
    log = DrawLog(tmp_path, "7f3a9c2e", "gw1")
    now = time.time()
    with time_machine.travel(0, tick=False):
        log.note_count(1, "one")
    log.close()

    assert abs(only(tmp_path).counts[0].at - now) < 60


def test_a_count_is_of_whoever_drew_last_before_it(tmp_path: Path) -> None:
    log = DrawLog(tmp_path, "7f3a9c2e", "gw1")
    for first, who in ((1, "one"), (3, "fixture"), (4, "one"), (9, "two")):
        log.note_count(first, who)
    running = only(tmp_path)
    log.note_end(10)
    log.close()
    ended = only(tmp_path)

    assert [doing(ended, n) for n in (1, 2, 3, 4, 8, 9, 10)] == [
        *("one", "one", "fixture", "one", "one", "two", "two")
    ]
    assert (doing(running, 11), doing(ended, 11), doing(ended, 0)) == ("two", None, None)


def test_lines_that_were_cut_or_are_of_another_kind_are_left_out(tmp_path: Path) -> None:
    log = DrawLog(tmp_path, "7f3a9c2e", "gw1")
    log.note_count(1, "one")
    with (tmp_path / "7f3a9c2e.log").open("ab") as file:
        file.write(b'\n{"from": 2, "doing": "tw\n[]\n3\n{}\n{"from": "x"}\n\xff\xfe')
    log.note_count(5, "three")
    log.close()

    assert [(each.first, each.doing) for each in only(tmp_path).counts] == [
        (1, "one"),
        (5, "three"),
    ]


def test_two_processes_never_write_one_log(tmp_path: Path) -> None:
    log = DrawLog(tmp_path, "7f3a9c2e", "gw1")
    with pytest.raises(FileExistsError):
        DrawLog(tmp_path, "7f3a9c2e", "gw2")
    log.close()

    assert only(tmp_path).worker == "gw1"


def test_there_is_room_for_one_more_after_pruning(tmp_path: Path) -> None:
    names = aged(tmp_path, count=MOST_LOGS + 3, size=1)
    prune(tmp_path)

    assert left(tmp_path) == names[: MOST_LOGS - 1]


def test_the_oldest_of_too_many_bytes_go_and_the_newest_stays_whatever_its_size(
    tmp_path: Path,
) -> None:
    names = aged(tmp_path, count=4, size=MOST_BYTES // 3)
    prune(tmp_path)
    three = left(tmp_path)
    (tmp_path / "ffffffff.log").write_bytes(b"\n" * (MOST_BYTES + 1))
    prune(tmp_path)

    assert three == names[:3]
    assert left(tmp_path) == ["ffffffff.log"]


def test_the_log_of_a_process_that_runs_stays(tmp_path: Path) -> None:
    log = DrawLog(tmp_path, "7f3a9c2e", "gw1")
    os.utime(tmp_path / "7f3a9c2e.log", (0, 0))
    aged(tmp_path, count=MOST_LOGS, size=1)
    prune(tmp_path)
    while_it_runs = "7f3a9c2e.log" in left(tmp_path)
    log.close()
    os.utime(tmp_path / "7f3a9c2e.log", (0, 0))
    aged(tmp_path, count=MOST_LOGS, size=1)
    prune(tmp_path)

    assert (while_it_runs, "7f3a9c2e.log" in left(tmp_path)) == (True, False)


def test_other_files_are_not_pruned(tmp_path: Path) -> None:
    aged(tmp_path, count=MOST_LOGS + 3, size=1)
    (tmp_path / "t.n.counter").write_text("5")
    os.utime(tmp_path / "t.n.counter", (0, 0))
    prune(tmp_path)

    assert "t.n.counter" in left(tmp_path)


def test_a_file_that_a_test_closed_is_written_to_and_closed_no_more(tmp_path: Path) -> None:
    """Its number may be that of another file by then."""
    log = DrawLog(tmp_path, "0123abcd", "gw0")
    os.close(log._file)
    with pytest.raises(OSError, match="Bad file descriptor"):
        log.note_count(1, "test_it")
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.dup2(other, log._file)
    with pytest.raises(OSError, match="closed by somebody else"):
        log.note_count(1, "test_it")
    log.close()

    assert os.fstat(log._file).st_size == 0
    for file in {log._file, other}:
        os.close(file)
