"""Who drew a value: found by every form of it, told as a table, or told that nobody is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from testkit.cli.drawn import who_drew
from testkit.core.messages import TestkitError
from tests.support.commands import called
from tests.support.drawing import Drawer

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.core.draws import Draws


@pytest.fixture
def draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Draws:
    """Draws of a project, in a folder below which the test is, and of a running test."""
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path / "tests")
    drawer = Drawer(tmp_path, worker="gw1")
    drawer.draws.text("before")
    drawer.running.begin_test("test_a.py::test_it")
    return drawer.draws


def rows(value: str) -> list[str]:
    return who_drew(value).splitlines()[1:]


def test_texts_are_found_whatever_stands_around_them(draws: Draws) -> None:
    drawn = [draws.text("m"), draws.name("A b"), draws.text("m", length=12)]
    around = [rows(text) for value in drawn for text in (value, f"<{value.upper()}@a.example>\n")]

    assert len(around) == 6
    for found in around:
        assert len(found) == 1
        assert re.match(r"test_a.py::test_it +gw1 +20\d\d-\d\d-\d\d \d\d:\d\d:\d\d +- ", found[0])


def test_short_texts_and_numbers_are_found_with_their_column(draws: Draws) -> None:
    short, number = draws.text("m", length=2, space="t.code"), draws.number("t.n", 2**31)

    assert re.match(r"test_a.py::test_it .* t\.code +" + short, rows(short.upper())[0])
    assert re.match(rf"test_a.py::test_it .* t\.n +{number}", rows(f" {number} ")[0])


def test_what_was_drawn_outside_of_tests_is_said_to_be(draws: Draws) -> None:
    before = draws.text("m")[:-4] + "0001"

    assert rows(before)[0].startswith("(outside of tests)")


def test_all_who_drew_a_value_are_listed_the_newest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for worker in ("gw0", "gw1"):
        drawer = Drawer(tmp_path, worker=worker)
        for turn in (1, 2):
            drawer.running.begin_test(f"test_it[{worker}-{turn}]")
            drawer.draws.number("t.n", 1)
            drawer.running.end_test()
        drawer.end()

    assert [row.split()[0] for row in rows("0")] == [
        *("test_it[gw1-2]", "test_it[gw1-1]", "test_it[gw0-2]", "test_it[gw0-1]")
    ]


def test_a_count_that_an_ended_process_did_not_draw_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    drawer = Drawer(tmp_path)
    name = drawer.draws.text("m")
    drawer.end()

    assert len(rows(name)) == 1
    with pytest.raises(TestkitError, match="TK412"):
        who_drew(f"{name[:-4]}0002")


@pytest.mark.parametrize("value", ["module-gw1-00000000-0042", "no such \x1b[31m value"])
def test_that_nobody_is_known_is_told_with_exit_code_1(tmp_path: Path, value: str) -> None:
    done = called("explain", value, folder=tmp_path)

    assert (done.returncode, done.stdout) == (1, "")
    assert "TK412: No log says which test drew" in done.stderr
    assert str(tmp_path / ".testkit/draws") in done.stderr
    assert "\x1b" not in done.stderr
