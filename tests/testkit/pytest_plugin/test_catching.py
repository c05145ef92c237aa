"""What goes from a test to the record: cut, and without secrets."""

from __future__ import annotations

from typing import Final

import pytest

from testkit.core.runs.masking import MASK
from testkit.pytest_plugin.catching import cut, plain

SECRET: Final = "hunter2" * 40
MOST: Final = 1000


def test_a_long_text_keeps_its_two_ends() -> None:
    text = "begin " + "word " * 10_000 + "end"
    told = cut(text, MOST)

    assert told.startswith("begin word")
    assert told.endswith("word end")
    assert "characters …" in told
    assert len(told) < MOST + 50
    assert cut("short", MOST) == "short"


@pytest.mark.parametrize("at", [*range(560, 620, 7), *range(9_300, 9_640, 13)])
def test_no_half_of_a_secret_is_left_where_the_text_is_cut(at: int) -> None:
    told = cut(f"{'x ' * (at // 2)}password={SECRET} {'y ' * 5_000}"[:10_000], MOST)

    assert "hunter2" not in told
    assert MASK in told or "password" not in told


def test_halves_of_surrogate_pairs_are_replaced_wherever_they_stand() -> None:
    told = plain({"a\ud800": ["\udfff", ("x", 1, None)], "b": 2.5})

    assert told == {"a?": ["?", ["x", 1, None]], "b": 2.5}
