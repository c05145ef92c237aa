from hypothesis import given
from hypothesis import strategies as st

from cos.services.access.attempts import AttemptLimit


def test_as_many_attempts_as_allowed_need_not_wait() -> None:
    limit = AttemptLimit(3, window=60)

    assert [limit.begin(now) for now in (0.0, 1.0, 2.0)] == [0, 0, 0]


def test_one_more_waits_until_the_first_is_a_window_old() -> None:
    limit = AttemptLimit(2, window=60)
    waits = [limit.begin(now) for now in (10.0, 20.0, 30.0, 69.5, 70.0, 71.0)]

    assert waits == [0, 0, 40, 0.5, 0, 9]


def test_an_attempt_that_did_not_fail_does_not_count() -> None:
    limit = AttemptLimit(1, window=60)
    limit.begin(1.0)
    limit.forgive(1.0)

    assert [limit.begin(2.0), limit.begin(3.0)] == [0, 59]


def test_to_forgive_what_is_long_over_changes_nothing() -> None:
    limit = AttemptLimit(1, window=60)
    limit.begin(1.0)
    limit.begin(100.0)
    limit.forgive(1.0)

    assert limit.begin(101.0) > 0


@given(st.integers(1, 5), st.lists(st.floats(0, 20), max_size=50))
def test_no_window_ever_has_more_failures_than_allowed(most: int, pauses: list[float]) -> None:
    limit = AttemptLimit(most, window=10)
    now, failed = 0.0, []
    for pause in pauses:
        now += pause
        if not limit.begin(now):
            failed.append(now)

    assert all(sum(end - 10 < time <= end for time in failed) <= most for end in failed)
