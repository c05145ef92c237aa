"""Files that are written, and those that are put back because the suite became worse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.doctor.rewriting.plan import Rewrite
from testkit.doctor.rewriting.writing import write
from testkit.doctor.static.sources import read_source

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def rewrites(folder: Path, count: int) -> list[Rewrite]:
    made = []
    for number in range(count):
        path = folder / f"m{number}.py"
        path.write_text("old\n")
        path.chmod(0o640)
        made.append(Rewrite(str(path), read_source(path), "new\n", []))
    return made


def texts(folder: Path) -> list[str]:
    return [path.read_text() for path in sorted(folder.iterdir())]


def unless(folder: Path, *bad: int) -> Callable[[], str]:
    """Complain while one of these files is a new one."""
    return lambda: next(
        (f"m{number}" for number in bad if (folder / f"m{number}.py").read_text() == "new\n"), ""
    )


def test_where_nothing_is_worse_all_files_are_written_with_their_modes(tmp_path: Path) -> None:
    made = rewrites(tmp_path, 3)

    assert write(made, lambda: "") == (made, {})
    assert texts(tmp_path) == ["new\n"] * 3
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_only_the_files_that_make_it_worse_are_put_back(tmp_path: Path) -> None:
    made = rewrites(tmp_path, 7)
    kept, refused = write(made, unless(tmp_path, 2, 5))

    assert [each.path[-5:] for each in kept] == ["m0.py", "m1.py", "m3.py", "m4.py", "m6.py"]
    assert {path[-5:]: why for path, why in refused.items()} == {"m2.py": "m2", "m5.py": "m5"}
    assert texts(tmp_path) == ["new\n", "new\n", "old\n", "new\n", "new\n", "old\n", "new\n"]


def test_whatever_ends_it_early_puts_all_back(tmp_path: Path) -> None:
    asked: list[int] = []

    def judge() -> str:
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return unless(tmp_path, 3)()

    with pytest.raises(KeyboardInterrupt):
        write(rewrites(tmp_path, 4), judge)

    assert texts(tmp_path) == ["old\n"] * 4


def test_a_file_that_changed_meanwhile_is_not_touched(tmp_path: Path) -> None:
    made = rewrites(tmp_path, 2)
    (tmp_path / "m0.py").write_text("mine\n")

    assert write(made, lambda: "")[1] == {made[0].path: "it changed while this ran"}
    assert texts(tmp_path) == ["mine\n", "new\n"]


def test_what_somebody_writes_while_the_suite_runs_is_not_put_back(tmp_path: Path) -> None:
    made = rewrites(tmp_path, 1)

    def judge() -> str:
        (tmp_path / "m0.py").write_text("mine\n")
        return "worse"

    assert write(made, judge) == ([], {made[0].path: "worse"})
    assert texts(tmp_path) == ["mine\n"]


def test_each_write_is_younger_than_what_bytecode_may_be_of(tmp_path: Path) -> None:
    (one,) = rewrites(tmp_path, 1)
    path = tmp_path / "m0.py"
    seen = [int(path.stat().st_mtime)]

    def judge() -> str:
        seen.append(int(path.stat().st_mtime))
        return "worse"

    write([one], judge)
    seen.append(int(path.stat().st_mtime))

    assert seen[0] < seen[1] < seen[2]


def test_nothing_to_write_asks_nobody(tmp_path: Path) -> None:
    assert write([], lambda: pytest.fail("asked")) == ([], {})
