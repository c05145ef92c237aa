from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.models import HealthState
from cos.services.rollup import Report, judge, roll_up

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LIMIT = timedelta(seconds=60)
LONG_AGO = NOW - timedelta(days=30)
MOMENT = timedelta(microseconds=1)
HEALTHY, DEGRADED, OFFLINE, UNKNOWN = HealthState
STATES = st.sampled_from(HealthState)


def _judged(report: Report) -> HealthState:
    return judge(report, now=NOW, offline_after=LIMIT)


@pytest.mark.parametrize("reported", HealthState)
def test_a_module_that_was_just_heard_is_what_it_reported(reported: HealthState) -> None:
    assert _judged(Report(LONG_AGO, NOW, reported)) is reported


@pytest.mark.parametrize("reported", [*HealthState, None])
def test_a_module_that_was_silent_for_too_long_is_offline(reported: HealthState | None) -> None:
    assert _judged(Report(LONG_AGO, NOW - LIMIT - MOMENT, reported)) is OFFLINE


def test_silence_of_exactly_the_limit_is_not_too_long() -> None:
    assert _judged(Report(LONG_AGO, NOW - LIMIT, HEALTHY)) is HEALTHY


def test_a_module_that_never_sent_a_heartbeat_is_unknown_at_first() -> None:
    assert _judged(Report(NOW - LIMIT)) is UNKNOWN


def test_a_module_that_never_sent_a_heartbeat_is_offline_after_the_limit() -> None:
    assert _judged(Report(NOW - LIMIT - MOMENT)) is OFFLINE


def test_a_heartbeat_without_a_report_is_unknown() -> None:
    assert _judged(Report(LONG_AGO, NOW)) is UNKNOWN


def test_a_heartbeat_from_a_clock_that_is_ahead_is_not_too_old() -> None:
    assert _judged(Report(LONG_AGO, NOW + timedelta(hours=1), DEGRADED)) is DEGRADED


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], UNKNOWN),
        ([HEALTHY], HEALTHY),
        ([HEALTHY, HEALTHY], HEALTHY),
        ([DEGRADED], DEGRADED),
        ([OFFLINE], OFFLINE),
        ([OFFLINE, OFFLINE], OFFLINE),
        ([UNKNOWN, UNKNOWN], UNKNOWN),
        ([HEALTHY, UNKNOWN], UNKNOWN),
        ([HEALTHY, OFFLINE], DEGRADED),
        ([HEALTHY, DEGRADED], DEGRADED),
        ([UNKNOWN, OFFLINE], DEGRADED),
        ([DEGRADED, OFFLINE], DEGRADED),
        ([HEALTHY, DEGRADED, OFFLINE, UNKNOWN], DEGRADED),
    ],
)
def test_the_system_is_rolled_up(states: list[HealthState], expected: HealthState) -> None:
    assert roll_up(states).state is expected


@given(st.lists(STATES))
def test_every_module_is_counted_once_and_every_state_is_listed(states: list[HealthState]) -> None:
    counts = roll_up(states).counts

    assert list(counts) == list(HealthState)
    assert sum(counts.values()) == len(states)


@given(st.lists(STATES).flatmap(lambda states: st.tuples(st.just(states), st.permutations(states))))
def test_the_order_of_the_modules_does_not_matter(
    both: tuple[list[HealthState], list[HealthState]],
) -> None:
    states, shuffled = both

    assert roll_up(shuffled) == roll_up(states)


@given(st.lists(STATES, min_size=1))
def test_the_system_is_healthy_only_when_every_module_is(states: list[HealthState]) -> None:
    assert (roll_up(states).state is HEALTHY) == (set(states) == {HEALTHY})
