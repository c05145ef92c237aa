"""The search for what is needed finds it, and asks seldom."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from testkit.proof.narrowing import narrowed


@given(st.data(), st.integers(1, 300), st.integers(1, 2))
def test_any_one_or_two_of_many_are_found_with_few_questions(
    data: st.DataObject, many: int, needed: int
) -> None:
    everyone = [f"t{n}" for n in range(many)]
    places = data.draw(st.sets(st.integers(0, many - 1), min_size=1, max_size=needed))
    wanted = [everyone[place] for place in sorted(places)]
    asked: list[tuple[str, ...]] = []

    def happens(part: list[str]) -> bool:
        asked.append(tuple(part))
        return set(wanted) <= set(part)

    assert narrowed(everyone, happens) == wanted
    assert len(asked) == len(set(asked))
    assert len(asked) <= 10 * math.log2(many + 1) + 10


@given(st.sets(st.integers(0, 30), min_size=1))
def test_each_of_those_that_are_left_is_needed(needed: set[int]) -> None:
    everyone = [f"t{n}" for n in range(31)]
    wanted = {f"t{n}" for n in needed}

    assert set(narrowed(everyone, lambda part: wanted <= set(part))) == wanted
