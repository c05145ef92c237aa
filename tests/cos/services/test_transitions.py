from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cos.models import HealthReason, HealthState
from cos.services.transitions import Heard, Known, Steps, fall_silent, hear

START = datetime(2030, 5, 1, 12, tzinfo=UTC)
NEVER = START - timedelta(days=1)
HEALTHY, DEGRADED, OFFLINE, UNKNOWN = HealthState
STATES = st.sampled_from(HealthState)
TIMES = st.integers(0, 20).map(lambda seconds: START + timedelta(seconds=seconds))
KNOWN = st.builds(Known, STATES, st.none() | TIMES)
REPORTS = st.lists(st.builds(Heard, TIMES, STATES), max_size=12)


def _heard(known: Known, *reports: Heard, silent_before: datetime = NEVER) -> Steps:
    return hear(known, reports, silent_before=silent_before)


def test_a_first_heartbeat_is_announced() -> None:
    report = Heard(START, HEALTHY, {"queue": 7})
    steps = _heard(Known(UNKNOWN, None), report)
    (entry,) = steps.entries

    assert steps.known == Known(HEALTHY, START)
    assert (entry.status, entry.previous, entry.announced) == (HEALTHY, UNKNOWN, True)
    assert (entry.at, entry.reason, entry.details) == (START, HealthReason.HEARTBEAT, {"queue": 7})
    assert steps.heard == report


def test_a_heartbeat_that_changes_nothing_is_recorded_and_not_announced() -> None:
    steps = _heard(Known(HEALTHY, NEVER), Heard(START, HEALTHY))

    assert [entry.announced for entry in steps.entries] == [False]
    assert steps.known == Known(HEALTHY, START)


def test_a_heartbeat_of_the_same_time_is_the_same() -> None:
    known = Known(HEALTHY, START)

    assert _heard(known, Heard(START, DEGRADED)) == Steps(known)


def test_a_heartbeat_that_was_overtaken_is_recorded_and_changes_nothing() -> None:
    known = Known(HEALTHY, START)
    steps = _heard(known, Heard(NEVER, DEGRADED))

    assert (steps.known, steps.heard) == (known, None)
    assert [(entry.status, entry.announced) for entry in steps.entries] == [(DEGRADED, False)]


def test_a_heartbeat_from_too_long_ago_is_recorded_and_does_not_bring_the_module_back() -> None:
    known = Known(OFFLINE, NEVER)
    steps = _heard(known, Heard(START, HEALTHY), silent_before=START + timedelta(seconds=1))

    assert steps.known == Known(OFFLINE, START)
    assert [(entry.status, entry.announced) for entry in steps.entries] == [(HEALTHY, False)]


def test_silence_is_announced_with_its_beginning() -> None:
    now = START + timedelta(minutes=5)
    for known, since in [(Known(HEALTHY, START), START), (Known(UNKNOWN, None), NEVER)]:
        steps = fall_silent(known, registered=NEVER, now=now)
        (entry,) = steps.entries

        assert steps.known == Known(OFFLINE, known.last_heartbeat)
        assert (entry.at, entry.previous, entry.reason) == (
            now,
            known.state,
            HealthReason.SILENCE,
        )
        assert entry.announced
        assert entry.details == {"silent_since": since.isoformat()}


@given(KNOWN, TIMES)
def test_silence_is_announced_once(known: Known, now: datetime) -> None:
    first = fall_silent(known, registered=NEVER, now=now)

    assert fall_silent(first.known, registered=NEVER, now=now).entries == ()


@given(KNOWN, REPORTS, TIMES)
def test_what_is_delivered_twice_announces_nothing_more_and_adds_no_other_time(
    known: Known, reports: list[Heard], silent_before: datetime
) -> None:
    first = hear(known, reports, silent_before=silent_before)
    again = hear(first.known, reports, silent_before=silent_before)

    assert (again.known, again.heard) == (first.known, None)
    assert not any(entry.announced for entry in again.entries)
    assert {entry.at for entry in again.entries} <= {report.at for report in reports}


@given(KNOWN, REPORTS, TIMES)
def test_the_order_of_delivery_makes_no_difference_to_the_last_word(
    known: Known, reports: list[Heard], silent_before: datetime
) -> None:
    distinct = list({report.at: report for report in reports}.values())
    steps = hear(known, distinct, silent_before=silent_before)
    ordered = hear(
        known, sorted(distinct, key=lambda report: report.at), silent_before=silent_before
    )

    assert steps.known.last_heartbeat == ordered.known.last_heartbeat
    assert steps.heard == ordered.heard


@given(KNOWN, REPORTS, TIMES, st.integers(0, 12))
def test_batches_make_no_difference(
    known: Known, reports: list[Heard], silent_before: datetime, cut: int
) -> None:
    whole = hear(known, reports, silent_before=silent_before)
    first = hear(known, reports[:cut], silent_before=silent_before)
    second = hear(first.known, reports[cut:], silent_before=silent_before)

    assert (*first.entries, *second.entries) == whole.entries
    assert second.known == whole.known
    assert (second.heard or first.heard) == whole.heard


@given(KNOWN, REPORTS, TIMES)
def test_the_announcements_are_a_chain_from_the_state_before_to_the_state_after(
    known: Known, reports: list[Heard], silent_before: datetime
) -> None:
    steps = hear(known, reports, silent_before=silent_before)
    state = known.state
    for entry in steps.entries:
        assert entry.previous is state
        if entry.announced:
            assert entry.status is not state
            state = entry.status

    assert steps.known.state is state


@given(KNOWN, REPORTS, TIMES)
def test_what_changes_the_module_comes_in_the_order_of_its_times(
    known: Known, reports: list[Heard], silent_before: datetime
) -> None:
    steps = hear(known, reports, silent_before=silent_before)
    times = [entry.at for entry in steps.entries if entry.announced]

    seen = [report.at for report in reports]
    if known.last_heartbeat is not None:
        seen.append(known.last_heartbeat)

    assert times == sorted(set(times))
    assert steps.known.last_heartbeat == max(seen, default=None)
