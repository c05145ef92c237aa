"""Token and count in values: written in a given length, and read out of whatever holds them."""

from __future__ import annotations

import re
from typing import Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from testkit.core.draw_forms import COUNTS, base36, compact, counts_in, readable

TOKENS: Final = st.integers(1, 2**32 - 1).map(lambda number: f"{number:08x}")
COUNT: Final = st.integers(1, COUNTS - 1)
AROUND: Final = st.sampled_from(["", "https://a.example/?q=", " ", "\x1b[1m ", "<", "ü"])
BEHIND: Final = st.sampled_from(["", "@example.com", "/", "\n", "?x", ">"])


@given(prefix=st.text(), worker=st.text(), token=TOKENS, count=COUNT, length=st.integers(0, 60))
@example(prefix="--", worker="GW1", token="00000000", count=1, length=17)
def test_a_readable_text_keeps_to_its_length_and_alphabet(
    prefix: str, worker: str, token: str, count: int, length: int
) -> None:
    text = readable(prefix, worker, token, count, length=length)

    assert text is None or len(text) <= length
    assert text is None or re.fullmatch("[a-z0-9-]+", text, re.ASCII)


@pytest.mark.parametrize(
    ("length", "expected"),
    [
        (None, "big-module-gw1-7f3a9c2e-0042"),
        (28, "big-module-gw1-7f3a9c2e-0042"),
        (27, "big-modul-gw1-7f3a9c2e-0042"),
        (22, "big-gw1-7f3a9c2e-0042"),
        (19, "b-gw1-7f3a9c2e-0042"),
        (18, "gw1-7f3a9c2e-0042"),
        (17, "gw1-7f3a9c2e-0042"),
        (16, None),
    ],
)
def test_the_prefix_is_cut_first(length: int | None, expected: str | None) -> None:
    assert readable("Big module", "gw1", "7f3a9c2e", 42, length=length) == expected


@given(token=TOKENS, count=COUNT)
def test_the_compact_form_has_eleven_letters_and_digits(token: str, count: int) -> None:
    assert re.fullmatch("[0-9a-z]{11}", compact(token, count))


@given(token=TOKENS, count=COUNT, before=AROUND, behind=BEHIND, upper=st.booleans())
def test_the_count_is_found_in_every_form_whatever_stands_around_it(
    token: str, count: int, before: str, behind: str, *, upper: bool
) -> None:
    named = str(readable("m", "gw1", token, count, length=None))
    for form in (named, compact(token, count)):
        value = before + (form.upper() if upper else form) + behind

        assert count in counts_in(value, token)


@given(token=TOKENS, other=TOKENS, count=COUNT)
def test_the_count_of_another_process_is_not_taken_for_ours(
    token: str, other: str, count: int
) -> None:
    named = str(readable("m", "gw1", token, count, length=None))
    values = (named, compact(token, count))

    assert token == other or [counts_in(value, other) for value in values] == [[], []]


@given(number=st.integers(0, 10**20), width=st.integers(0, 20))
def test_base_36_is_what_python_reads(number: int, width: int) -> None:
    digits = base36(number, width)

    assert (int(digits, 36) if digits else 0) == number
    assert len(digits) >= width


def test_a_value_of_digits_that_python_would_not_read_is_no_error() -> None:
    assert counts_in("9" * 5000 + "-", "7f3a9c2e") == []
