import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.events.subscribing.retry import retry_delay

CHANCES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("attempt", "chance", "seconds"),
    [(1, 1, 0.5), (2, 1, 1), (3, 1, 2), (4, 1, 4), (5, 1, 5), (1, 0, 0.25), (9, 0, 2.5)],
)
def test_it_doubles_up_to_the_cap_and_chance_takes_up_to_half(
    attempt: int, chance: float, seconds: float
) -> None:
    assert retry_delay(attempt, chance, base=0.5, cap=5) == seconds


@given(st.integers(1, 10**9), CHANCES, st.floats(0, 10), st.floats(0, 3_600))
def test_it_stays_between_nothing_and_the_cap(
    attempt: int, chance: float, base: float, cap: float
) -> None:
    assert 0 <= retry_delay(attempt, chance, base=base, cap=cap) <= cap


@given(st.integers(1, 100), CHANCES, st.floats(0.001, 10))
def test_a_later_attempt_waits_no_shorter_by_the_same_chance(
    attempt: int, chance: float, base: float
) -> None:
    sooner, later = (retry_delay(n, chance, base=base, cap=60) for n in (attempt, attempt + 1))

    assert sooner <= later
