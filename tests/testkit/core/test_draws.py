"""Draws: different from every other draw, within a length, down to the last value of a space."""

from __future__ import annotations

import datetime as dt
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testkit.core.draw_forms import COUNTS
from testkit.core.messages import TestkitError
from testkit.system.draw_log import read_logs
from testkit.system.project_folder import folder_in
from tests.support.drawing import Drawer

if TYPE_CHECKING:
    from pathlib import Path

ONE_TEST: Final = "test_a.py::test_it"


@pytest.fixture
def drawer(tmp_path: Path) -> Drawer:
    drawer = Drawer(tmp_path)
    drawer.running.begin_test(ONE_TEST)
    return drawer


@settings(max_examples=30, deadline=None)
@given(
    asked=st.lists(st.tuples(st.text(max_size=30), st.integers(3, 40)), min_size=1, max_size=20),
    length=st.integers(3, 40),
)
def test_texts_of_one_column_are_different_in_any_case_and_as_long_as_asked(
    asked: list[tuple[str, int]], length: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        drawer = Drawer(folder)
        texts = [drawer.draws.text(prefix, length=length) for prefix, _ in asked]
        varied = [drawer.draws.text(prefix, length=size) for prefix, size in asked]
        drawer.end()

    assert all(re.fullmatch("[a-z0-9-]+", text, re.ASCII) for text in texts + varied)
    assert [text for text in texts if len(text) > length] == []
    assert [t for t, (_, size) in zip(varied, asked, strict=True) if len(t) > size] == []
    assert len({text.casefold() for text in texts}) == len(texts)


def test_a_text_names_prefix_and_process(drawer: Drawer) -> None:
    assert re.fullmatch("module-gw1-[0-9a-f]{8}-0001", drawer.draws.text("module"))
    assert re.fullmatch("module-gw1-[0-9a-f]{8}-0002", drawer.draws.text("module", length=99))
    assert re.fullmatch("m-gw1-[0-9a-f]{8}-0003", drawer.draws.text("module", length=19))
    assert re.fullmatch("[0-9a-z]{7}0004", drawer.draws.text("module", length=16))
    assert re.fullmatch("[0-9a-z]{3}", drawer.draws.text("module", length=3))


def test_a_name_keeps_its_prefix_as_it_is(drawer: Drawer) -> None:
    assert drawer.draws.name("A b_c").startswith("A b_c-gw1-")
    assert drawer.draws.name().startswith("name-gw1-")


def test_threads_draw_different_values(drawer: Drawer) -> None:
    draws = drawer.draws

    def draw(_: int) -> list[object]:
        return [
            draws.name("m"),
            draws.text("m", length=11),
            draws.number("a.b", 10**9),
        ]

    with ThreadPoolExecutor(8) as threads:
        drawn = [value for values in threads.map(draw, range(500)) for value in values]

    assert len(set(drawn)) == 1500


def test_three_runs_of_one_test_draw_different_names(drawer: Drawer) -> None:
    names = set()
    for _ in range(3):
        drawer.running.begin_test(ONE_TEST)
        names |= {drawer.draws.text("module"), drawer.draws.name("module")}
        drawer.running.end_test()

    assert len(names) == 6


def test_the_counts_of_a_token_come_to_an_end_and_another_one_follows(drawer: Drawer) -> None:
    first = drawer.draws.text("m", length=11)
    drawer.draws.count = COUNTS - 2
    texts = [drawer.draws.text("m", length=11) for _ in range(3)]

    assert texts[0] == f"{first[:7]}zzzz"
    assert texts[1][7:] == "0001"
    assert texts[1][:7] == texts[2][:7] != first[:7]


def all_texts(drawer: Drawer, length: int) -> list[str]:
    return [drawer.draws.text("m", length=length, space="t.code") for _ in range(36**length)]


@pytest.mark.parametrize("length", [1, 2, pytest.param(3, marks=pytest.mark.slow)])
def test_a_test_draws_a_short_column_to_its_last_value_and_then_is_told(
    drawer: Drawer, length: int
) -> None:
    texts = all_texts(drawer, length)
    with pytest.raises(TestkitError) as caught:
        drawer.draws.text("m", length=length, space="t.code")

    assert len(set(texts)) == 36**length
    assert caught.value.code == "TK411"
    assert f"All {36**length} values that t.code can hold" in str(caught.value)
    assert ONE_TEST in str(caught.value)


def test_the_next_test_draws_them_again(drawer: Drawer) -> None:
    first = all_texts(drawer, 1)
    drawer.running.end_test()
    drawer.running.begin_test("test_a.py::test_next")
    second = all_texts(drawer, 1)

    assert sorted(first) == sorted(second)
    assert first == second  # round the space, from where it had begun


def test_what_a_wider_fixture_drew_is_not_drawn_until_it_ends(drawer: Drawer) -> None:
    running, fixture = drawer.running, object()
    with running.apart(fixture, "module fixture rows of test_a.py"):
        kept = {drawer.draws.number("t.n", 5) for _ in range(2)}
    others = {drawer.draws.number("t.n", 5) for _ in range(3)}
    running.end_test()
    running.begin_test("test_a.py::test_next")
    again = {drawer.draws.number("t.n", 5) for _ in range(3)}
    with pytest.raises(TestkitError, match="TK411"):
        drawer.draws.number("t.n", 5)
    running.end(fixture)
    freed = {drawer.draws.number("t.n", 5) for _ in range(2)}

    assert others == again == set(range(5)) - kept
    assert freed == kept


def test_what_was_drawn_at_import_stays_and_what_a_teardown_drew_does_not(tmp_path: Path) -> None:
    drawer = Drawer(tmp_path)
    imported = drawer.draws.number("t.n", 3)
    for nodeid in ("one", "two", "three"):
        drawer.running.begin_test(nodeid)
        drawer.running.end_test()
        drawer.draws.number("t.n", 3)
    drawer.running.begin_test("four")

    assert {drawer.draws.number("t.n", 3) for _ in range(2)} == {0, 1, 2} - {imported}


def test_spaces_are_apart_and_sizes_of_one_may_differ(drawer: Drawer) -> None:
    draws = drawer.draws

    assert {draws.number("a.n", 2) for _ in range(2)} == {0, 1}
    assert {draws.number("b.n", 2) for _ in range(2)} == {0, 1}
    assert {draws.number("a.n", 4) for _ in range(2)} == {2, 3}
    with pytest.raises(TestkitError, match="TK411"):
        draws.number("a.n", 2)


@pytest.mark.parametrize("size", [1, 7, 100_000, 100_001, 2**15 * 10, 2**31, 2**63])
def test_numbers_are_within_their_size(drawer: Drawer, size: int) -> None:
    numbers = [drawer.draws.number("t.n", size) for _ in range(min(size, 1200))]

    assert len(set(numbers)) == len(numbers)
    assert 0 <= min(numbers) <= max(numbers) < size


@pytest.mark.slow
def test_a_large_space_is_not_drawn_twice_when_it_has_been_gone_through(drawer: Drawer) -> None:
    drawer.running.end_test()
    with drawer.running.apart(object(), "session fixture all"):
        numbers = [drawer.draws.number("t.n", 100_001) for _ in range(99_500)]
    drawer.running.begin_test(ONE_TEST)
    numbers += [drawer.draws.number("t.n", 100_001) for _ in range(501)]

    assert len(set(numbers)) == 100_001


def test_a_number_is_logged_as_what_is_made_of_it_reads(drawer: Drawer, tmp_path: Path) -> None:
    first = dt.date(2026, 1, 1)
    day = drawer.draws.written(lambda draws: first + dt.timedelta(draws.number("t.day", 300)))
    drawer.draws.number("t.pair", 6, logged=False)
    drawer.end()
    [process] = read_logs(folder_in(tmp_path, "draws"))

    assert [(each.space, each.text) for each in process.numbers] == [("t.day", day.isoformat())]
