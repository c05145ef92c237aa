from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.board.views import STATES, Age, age, counted, shortened
from cos.models import HealthState

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "text"),
    [
        (timedelta(), "just now"),
        (timedelta(milliseconds=999), "just now"),
        (timedelta(seconds=1), "1 s ago"),
        (timedelta(seconds=59.9), "59 s ago"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=400), "400 d ago"),
        (timedelta(seconds=-5), "just now"),
    ],
    ids=str,
)
def test_an_age_is_told_in_its_largest_whole_unit(before: timedelta, text: str) -> None:
    found = age(NOW - before, now=NOW)

    assert (found.text, found.moment) == (text, (NOW - before).isoformat())


def test_what_never_was_has_no_moment() -> None:
    assert age(None, now=NOW) == Age("never", "")


@given(st.timedeltas(min_value=timedelta(0)), st.timedeltas(min_value=timedelta(0)))
def test_an_age_never_runs_backwards_in_its_unit(one: timedelta, other: timedelta) -> None:
    order = ["just now", "s", "min", "h", "d"]

    def place(before: timedelta) -> tuple[int, int]:
        first, _, rest = age(NOW, now=NOW + min(before, timedelta(days=2_000_000))).text.partition(
            " "
        )
        return (0, 0) if first == "just" else (order.index(rest.split()[0]), int(first))

    smaller, larger = sorted((one, other))

    assert place(smaller) <= place(larger)


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 modules"), (1, "1 module"), (2, "2 modules"), (2_000, "2,000 modules")],
)
def test_what_is_counted_has_its_noun(number: int, text: str) -> None:
    assert counted(number, "module") == text


def test_a_long_text_ends_in_an_ellipsis() -> None:
    assert (shortened("abcd", 4), shortened("abcde", 4), shortened("", 4)) == ("abcd", "abc…", "")


def test_every_state_has_its_place() -> None:
    assert sorted(STATES) == sorted(HealthState)
