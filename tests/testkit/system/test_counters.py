"""Counters in files: one place for everybody, whatever the name and whatever stood there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.system.counters import advance, file_name

if TYPE_CHECKING:
    from pathlib import Path


def step(place: int) -> tuple[int, int]:
    return place % 10, place % 10 + 1


def test_a_counter_goes_on_where_it_stood(tmp_path: Path) -> None:
    first = advance(tmp_path, "t.n", step)
    following = [advance(tmp_path, "t.n", step) for _ in range(12)]

    assert following == [(first + place) % 10 for place in range(1, 13)]


def test_counters_of_two_names_are_apart(tmp_path: Path) -> None:
    advance(tmp_path, "t.n", lambda _: (0, 5))
    advance(tmp_path, "t.m", lambda _: (0, 7))

    assert advance(tmp_path, "t.n", lambda place: (place, place)) == 5


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "/x", "a/b", "A", "\udc80", "a" * 500, "é"]
)
def test_an_odd_name_gives_a_plain_file(tmp_path: Path, name: str) -> None:
    advance(tmp_path, name, step)

    assert [path.name for path in tmp_path.iterdir()] == [file_name(name)]
    assert len(file_name(name)) < 60


def test_names_that_differ_in_case_are_two_counters_on_every_disk() -> None:
    assert file_name("T.n").lower() != file_name("t.n").lower()


@pytest.mark.parametrize("left", ["", "x", "12", "-3", "99999999999999999999999999"])
def test_a_file_that_holds_something_else_begins_anew(tmp_path: Path, left: str) -> None:
    (tmp_path / file_name("t.n")).write_text(left)
    first = advance(tmp_path, "t.n", step)

    assert 0 <= first < 10
    assert advance(tmp_path, "t.n", step) == (first + 1) % 10


def test_what_raises_leaves_the_counter_as_it_was_and_the_lock_free(tmp_path: Path) -> None:
    advance(tmp_path, "t.n", lambda _: (0, 5))
    with pytest.raises(ZeroDivisionError):
        advance(tmp_path, "t.n", lambda _: (1 // 0, 0))

    assert advance(tmp_path, "t.n", lambda place: (place, place)) == 5
