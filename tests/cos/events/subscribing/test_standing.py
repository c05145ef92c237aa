"""The rule alone, and what comes of it whatever order things arrive in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.events.subscribing.standing import Again, Behind, Done, Outcome, Wait, judge


@pytest.mark.parametrize(
    ("stored", "sequence", "due_in", "outcome"),
    [
        (0, 1, 0, Again()),
        (0, 1, 2.5, Wait(2.5)),
        (0, 1, -1, Again()),
        (1, 1, 0, Done(dropped=True)),
        (5, 1, 9, Done(dropped=True)),
        (0, 3, 0, Behind(0)),
        (3, 9, 9, Behind(3)),
    ],
)
def test_an_event_is_due_done_or_too_early(
    stored: int, sequence: int, due_in: float, outcome: Outcome
) -> None:
    assert judge(stored, sequence, due_in=due_in) == outcome


@given(st.lists(st.integers(1, 12), max_size=60))
def test_whatever_arrives_each_event_is_handled_once_and_in_order(arriving: list[int]) -> None:
    done: list[int] = []
    for sequence in arriving:
        outcome = judge(len(done), sequence)
        while outcome != Done(dropped=True):
            missing = range(outcome.after + 1, sequence) if isinstance(outcome, Behind) else ()
            done += [*missing, *([] if missing else [sequence])]
            outcome = judge(len(done), sequence)

    assert done == list(range(1, max(arriving, default=0) + 1))
