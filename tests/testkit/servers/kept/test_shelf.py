"""What is kept, where, for how long, and how one of it is named."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.core.messages import TestkitError
from testkit.servers.kept import shelf
from testkit.servers.kept.shelf import Contents, Kept, Origin, choose, kept_in, put, superfluous

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENTS = Contents("18.1", "18.2", ("plpgsql",), ("postgres",))
ODD = "tests/a b/test_ü.py::test_it[../x'\"\n$(id)-" + "y" * 5000 + "]"


def written(text: str) -> Callable[[Path], Contents]:
    """Return what stands for pg_dump here."""

    def write(file: Path) -> Contents:
        file.write_text(text)
        return CONTENTS

    return write


def origin(nodeid: str, run: str = "r1") -> Origin:
    return Origin(nodeid, "call", run, "gw0")


def kept(nodeid: str, *, run: str = "r1", at: float = 0, size: int = 1) -> Kept:
    return Kept(origin(nodeid, run), CONTENTS, Path("-"), at, size)


def modes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): oct(stat.S_IMODE(path.lstat().st_mode))
        for path in (folder, *folder.rglob("*"))
    }


@pytest.mark.parametrize("nodeid", ["test_a.py::test_it", ODD])
def test_what_was_put_is_found_with_all_its_facts(tmp_path: Path, nodeid: str) -> None:
    put(tmp_path, origin(nodeid), written("dump"))
    [found] = kept_in(tmp_path)

    assert (found.origin, found.contents) == (origin(nodeid), CONTENTS)
    assert (found.dump.read_text(), found.size) == ("dump", 4)
    assert found.folder.parent == tmp_path / ".testkit/kept"


def test_nobody_else_can_read_it_and_no_repository_takes_it(tmp_path: Path) -> None:
    put(tmp_path, origin("test_a.py::test_it"), written("dump"))
    [found] = kept_in(tmp_path)
    home = tmp_path / ".testkit"
    name = f"kept/{found.folder.name}"

    # The rights of the dump itself are those that pg_dump's file is opened with.
    assert {n: m for n, m in modes(home).items() if not n.endswith(".dump")} == {
        ".": "0o700",
        ".gitignore": oct(0o666 & ~_umask()),
        "kept": "0o700",
        "kept/.lock": "0o600",
        name: "0o700",
        f"{name}/facts.json": "0o600",
    }
    assert (home / ".gitignore").read_text() == "*\n"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_test_that_fails_again_replaces_what_was_kept_of_it(tmp_path: Path) -> None:
    put(tmp_path, origin("test_a.py::test_it", "r1"), written("old"))
    put(tmp_path, origin("test_a.py::test_it", "r2"), written("new"))
    [found] = kept_in(tmp_path)

    assert (found.dump.read_text(), found.origin.run) == ("new", "r2")


def test_what_could_not_be_written_leaves_nothing_and_the_older_one_stays(tmp_path: Path) -> None:
    def fail(file: Path) -> Contents:
        file.write_text("half")
        raise OSError("no space left")

    put(tmp_path, origin("test_a.py::test_it"), written("old"))
    with pytest.raises(OSError, match="no space left"):
        put(tmp_path, origin("test_a.py::test_it"), fail)
    [found] = kept_in(tmp_path)

    assert found.dump.read_text() == "old"
    assert sorted(p.name for p in found.folder.parent.iterdir()) == [".lock", found.folder.name]


def test_of_several_that_keep_the_same_at_once_one_stays_whole(tmp_path: Path) -> None:
    texts = [str(number) * 1000 for number in range(10)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda text: put(tmp_path, origin("test_a.py::it"), written(text)), texts))
    [found] = kept_in(tmp_path)

    assert found.dump.read_text() in texts
    assert sorted(p.name for p in found.folder.parent.iterdir()) == [".lock", found.folder.name]


def test_what_a_killed_run_left_half_done_goes_with_the_next(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", "from testkit.servers.ownership.workshop import *; print(maker())"],
        capture_output=True,
        text=True,
        check=True,
    )
    draft = tmp_path / ".testkit/kept" / f".draft-{ended.stdout.strip()}-x"
    put(tmp_path, origin("test_a.py::test_it"), written("dump"))
    draft.mkdir()
    put(tmp_path, origin("test_a.py::test_it"), written("dump"))

    assert not draft.exists()


def test_a_folder_that_leads_elsewhere_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".testkit").mkdir()
    (tmp_path / ".testkit/kept").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TestkitError, match="TK105"):
        put(tmp_path, origin("test_a.py::test_it"), written("dump"))

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_what_another_version_wrote_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, origin("test_a.py::test_it"), written("dump"))
    for name, text in {"one": "[]", "two": '{"origin": {"nodeid": 3}}', "three": "\0"}.items():
        folder = tmp_path / ".testkit/kept" / name
        folder.mkdir()
        (folder / "database.dump").write_text("")
        (folder / "facts.json").write_text(text)

    assert [each.nodeid for each in kept_in(tmp_path)] == ["test_a.py::test_it"]


def test_only_the_newest_runs_stay(tmp_path: Path) -> None:
    for number in range(shelf.MOST_RUNS + 2):
        for name in "ab":
            put(tmp_path, origin(f"test_{name}.py::test_{number}", f"r{number}"), written("dump"))

    assert {each.origin.run for each in kept_in(tmp_path)} == {"r2", "r3", "r4", "r5", "r6"}
    assert len(kept_in(tmp_path)) == 2 * shelf.MOST_RUNS


def test_older_runs_go_where_there_is_too_much_but_nothing_of_the_newest() -> None:
    large = shelf.MOST_BYTES
    of_newest = [kept("a", run="r2", at=9, size=large), kept("b", run="r2", at=8, size=large)]
    older = [kept("c", run="r1", at=7)]

    assert superfluous([*older, *of_newest]) == older
    assert superfluous(older) == []


@pytest.mark.parametrize(
    ("wanted", "nodeid"),
    [
        ("tests/test_a.py::test_b", "tests/test_a.py::test_b"),
        ("test_a.py::test_b", "tests/test_a.py::test_b"),
        ("test_b[1]", "tests/test_a.py::test_b[1]"),
        ("a.py::test_c", "tests/test_a.py::test_c"),
        ("test_c", "tests/test_a.py::test_c"),
        ("[1]", "tests/test_a.py::test_b[1]"),
    ],
)
def test_a_kept_database_is_named_by_its_test_or_a_part_of_that(wanted: str, nodeid: str) -> None:
    all_of_them = [
        kept(f"tests/test_a.py::{name}") for name in ("test_b", "test_b[1]", "test_c", "test_cc")
    ]

    assert choose(all_of_them, wanted, Path("/p")).nodeid == nodeid


@pytest.mark.parametrize(
    ("wanted", "code", "words"),
    [
        ("test_d", "TK352", "Kept are:\ntest_a.py::test_b\ntest_a.py::test_c"),
        ("a.py::", "TK353", "is kept:\ntest_a.py::test_b\ntest_a.py::test_c"),
    ],
)
def test_a_name_that_means_none_or_several_is_answered_with_what_there_is(
    wanted: str, code: str, words: str
) -> None:
    with pytest.raises(TestkitError) as caught:
        choose([kept("test_a.py::test_b"), kept("test_a.py::test_c")], wanted, Path("/p"))

    assert caught.value.code == code
    assert words in str(caught.value)
