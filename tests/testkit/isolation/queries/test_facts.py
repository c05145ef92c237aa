"""A recording is a list of facts, and knows for how long statements were on their way."""

from __future__ import annotations

import pytest

from testkit.isolation.queries.facts import Recording, Sent


def recorded(*times: tuple[float, float | None]) -> Recording:
    recording = Recording()
    for started, ended in times:
        recording.add(Sent("SELECT 1", started=started, ended=ended))
    return recording


def test_a_recording_is_a_sequence_of_facts() -> None:
    recording = recorded((1, 3), (4, None))

    assert [fact.seconds for fact in recording] == [2, None]
    assert ([f.seconds for f in recording[:1]], recording[-1].rowcount) == ([2], -1)
    assert repr(recording) == "<2 statements: ['SELECT 1', 'SELECT 1']>"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], 0),
        ([(1, 3)], 2),
        ([(1, 3), (5, 6)], 3),
        ([(1, 4), (2, 3)], 3),
        ([(2, 6), (1, 3)], 5),
        ([(1, None), (2, 3)], 1),
    ],
)
def test_time_in_which_several_were_on_their_way_counts_once(
    times: list[tuple[float, float | None]], expected: float
) -> None:
    assert recorded(*times).busy_seconds() == expected
