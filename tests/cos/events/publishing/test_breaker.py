"""Time here is a number that a test writes down: whole eighths of a second, so that sums are exact."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cos.events.publishing.breaker import (
    Closed,
    HalfOpen,
    Open,
    Outcome,
    Policy,
    Reason,
    State,
    Ticket,
    Transition,
    admit,
    record,
)

POLICY = Policy(
    calls=4,
    window=8,
    failures=2,
    rate=0.5,
    cooldown=1,
    longest_cooldown=6,
    jitter=0.5,
    probe_deadline=3,
)
OUTCOMES = st.sampled_from(Outcome)
CHANCES = st.floats(0, 1, exclude_max=True)
EIGHTHS = st.integers(0, 80).map(lambda number: number / 8)


class Circuit:
    """A state with the calls that lead to the next one; jitter only where a test asks for it."""

    def __init__(self, state: State | None = None) -> None:
        self.state = state or Closed(0.0)
        self.facts: list[Transition] = []
        self.wait = 0.0

    def admit(self, now: float) -> Ticket | None:
        admission = admit(POLICY, self.state, now=now)
        self.state, self.wait = admission.state, admission.wait
        if admission.transition:
            self.facts.append(admission.transition)
        return admission.ticket

    def let_in(self, now: float) -> Ticket:
        ticket = self.admit(now)
        assert ticket is not None
        return ticket

    def record(
        self, ticket: Ticket, outcome: Outcome, *, now: float, chance: float = 0.0
    ) -> Transition | None:
        self.state, fact = record(POLICY, self.state, ticket, outcome, now=now, chance=chance)
        if fact:
            self.facts.append(fact)
        return fact

    def fail(self, now: float, *, chance: float = 0.0) -> Transition | None:
        return self.record(self.let_in(now), Outcome.FAILURE, now=now, chance=chance)


def _opened(now: float = 0.0) -> Circuit:
    circuit = Circuit()
    circuit.fail(now)
    circuit.fail(now)
    return circuit


def test_it_opens_at_the_failure_that_reaches_both_limits_and_says_so() -> None:
    circuit = Circuit()
    first = circuit.fail(1.0)
    second = circuit.fail(2.0)

    assert first is None
    assert second == Transition(
        "closed", "open", Reason.TOO_MANY_FAILURES, 2.0, failed=2, calls=2, cooldown=1.0
    )


def test_it_stays_closed_while_the_share_of_failures_is_too_small() -> None:
    circuit = Circuit()
    # Of the last four calls, never more than one failed.
    for now in range(40):
        outcome = Outcome.SUCCESS if now % 4 else Outcome.FAILURE
        circuit.record(circuit.let_in(now), outcome, now=now)

    assert isinstance(circuit.state, Closed)
    assert not circuit.facts


def test_failures_older_than_the_window_do_not_count() -> None:
    circuit = Circuit()
    circuit.fail(0.0)

    assert circuit.fail(8.125) is None
    assert circuit.fail(8.25) is not None


def test_a_success_opens_nothing_even_when_older_ones_no_longer_count() -> None:
    circuit = Circuit(Closed(0.0, recent=((0.0, False), (0.0, False), (5.0, True), (5.0, True))))

    assert circuit.record(circuit.let_in(9.0), Outcome.SUCCESS, now=9.0) is None
    assert isinstance(circuit.state, Closed)


def test_an_abandoned_call_counts_for_nothing_while_closed() -> None:
    circuit = Circuit()
    for _ in range(10):
        circuit.record(circuit.let_in(0.0), Outcome.ABANDONED, now=0.0)

    assert circuit.state == Closed(0.0)


def test_while_open_it_says_how_long_to_wait() -> None:
    circuit = _opened(10.0)

    assert circuit.admit(10.25) is None
    assert circuit.wait == 0.75


def test_after_the_cool_down_one_probe_is_let_in_and_the_others_wait() -> None:
    circuit = _opened(0.0)
    probe, other = circuit.admit(1.0), circuit.admit(1.0)

    assert (probe is not None, other) == (True, None)
    assert circuit.wait == POLICY.cooldown
    assert circuit.facts[-1] == Transition("open", "half-open", Reason.COOLED_DOWN, 1.0)


def test_a_probe_that_succeeds_closes_it_and_what_was_before_is_forgotten() -> None:
    circuit = _opened(0.0)
    fact = circuit.record(circuit.let_in(1.0), Outcome.SUCCESS, now=1.5)

    assert fact == Transition("half-open", "closed", Reason.PROBE_SUCCEEDED, 1.5)
    assert circuit.fail(1.5) is None


def test_each_failed_probe_doubles_the_cool_down_up_to_the_longest() -> None:
    circuit = _opened(0.0)
    cooldowns = []
    for now in (1.0, 10.0, 20.0, 30.0):
        fact = circuit.fail(now)
        assert fact is not None
        cooldowns.append(fact.cooldown)

    assert cooldowns == [2.0, 4.0, 6.0, 6.0]


def test_the_cool_down_begins_small_again_after_it_was_closed() -> None:
    circuit = _opened(0.0)
    circuit.fail(1.0)
    circuit.record(circuit.let_in(10.0), Outcome.SUCCESS, now=10.0)
    circuit.fail(10.0)
    again = circuit.fail(10.0)

    assert again is not None
    assert again.cooldown == 1.0


def test_ten_thousand_openings_in_a_row_are_no_number_too_large() -> None:
    state = HalfOpen(0.0, 5, openings=10_000, probe_since=0.0)
    after, _ = record(POLICY, state, Ticket(5), Outcome.FAILURE, now=0.0, chance=0.0)

    assert isinstance(after, Open)
    assert after.cooldown == 6.0


@given(CHANCES)
def test_chance_takes_off_at_most_the_jitter(chance: float) -> None:
    circuit = Circuit()
    circuit.fail(0.0)
    fact = circuit.fail(0.0, chance=chance)

    assert fact is not None
    assert 0.5 <= fact.cooldown <= 1.0


def test_a_probe_that_was_returned_lets_the_next_one_in_at_once() -> None:
    circuit = _opened(0.0)
    circuit.record(circuit.let_in(1.0), Outcome.ABANDONED, now=1.0)

    assert circuit.admit(1.0) is not None


def test_a_probe_that_never_reports_is_given_up_and_cannot_speak_for_the_next() -> None:
    circuit = _opened(0.0)
    lost = circuit.let_in(1.0)
    early = circuit.admit(3.875)
    following = circuit.let_in(4.0)
    before = circuit.state

    assert early is None
    assert circuit.facts[-1] == Transition("half-open", "half-open", Reason.PROBE_GIVEN_UP, 4.0)
    assert circuit.record(lost, Outcome.FAILURE, now=4.0) is None
    assert circuit.state is before
    assert circuit.record(following, Outcome.SUCCESS, now=4.0) is not None


def test_a_late_probe_that_nobody_replaced_still_counts() -> None:
    circuit = _opened(0.0)
    probe = circuit.let_in(1.0)

    assert circuit.record(probe, Outcome.SUCCESS, now=100.0) is not None


def test_a_clock_that_went_back_begins_the_wait_again_and_makes_it_no_longer() -> None:
    circuit = _opened(1_000.0)
    waits = []
    for now in (0.0, 0.5, 0.875):
        circuit.admit(now)
        waits.append(circuit.wait)

    assert waits == [1.0, 0.5, 0.125]
    assert circuit.admit(1.0) is not None


def test_a_clock_that_went_back_gives_a_lost_probe_no_longer_than_its_deadline() -> None:
    circuit = _opened(1_000.0)
    circuit.let_in(1_001.0)

    assert circuit.admit(0.0) is None
    assert circuit.admit(2.875) is None
    assert circuit.admit(3.0) is not None


def test_a_clock_that_went_back_keeps_no_failure_for_ever() -> None:
    circuit = Circuit()
    circuit.fail(1_000.0)
    circuit.record(circuit.let_in(0.0), Outcome.SUCCESS, now=0.0)

    assert circuit.fail(8.125) is None


@pytest.mark.parametrize(
    "contradiction",
    [
        {"failures": 0},
        {"failures": 21},
        {"rate": 1.5},
        {"rate": float("nan")},
        {"jitter": 1.0},
        {"window": 0},
        {"probe_deadline": -1},
        {"cooldown": 0},
        {"cooldown": 31},
    ],
)
def test_a_policy_that_contradicts_itself_is_refused(contradiction: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be|are shares"):
        replace(Policy(), **contradiction)  # type: ignore[arg-type]  # that is the point


@given(st.lists(st.tuples(EIGHTHS, st.booleans()), max_size=30))
def test_it_opens_exactly_when_the_window_says_so(calls: list[tuple[float, bool]]) -> None:
    circuit = Circuit()
    now, seen = 0.0, list[tuple[float, bool]]()
    for pause, fails in calls:
        now += pause
        ticket = circuit.let_in(now)
        fact = circuit.record(ticket, Outcome.FAILURE if fails else Outcome.SUCCESS, now=now)
        seen.append((now, fails))
        counted = [failed for at, failed in seen[-4:] if now - at <= 8]

        assert (fact is not None) == (fails and sum(counted) >= max(2, 0.5 * len(counted)))

        if fact is not None:
            return


class Breaker(RuleBasedStateMachine):
    """Any calls, any outcomes, in any order of return, under a clock that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.circuit = Circuit()
        self.now = 100.0
        # With each ticket the epoch it is of: every change, and every probe, begins another.
        self.out: list[tuple[Ticket, int]] = []
        self.epoch = 0
        # The smallest reading since the circuit opened, and since the last probe was let in.
        self.opened = self.probed = self.now
        self.probe: Ticket | None = None

    def _reads(self) -> float:
        self.opened, self.probed = min(self.opened, self.now), min(self.probed, self.now)
        return self.now

    @rule(eighths=EIGHTHS)
    def time_goes_on(self, eighths: float) -> None:
        self.now += eighths

    @rule(eighths=EIGHTHS)
    def the_clock_goes_back(self, eighths: float) -> None:
        self.now -= eighths

    @rule()
    def a_call_asks(self) -> None:
        before, now = self.circuit.state, self._reads()
        ticket = self.circuit.admit(now)
        self.epoch += ticket is not None and not isinstance(before, Closed)
        if isinstance(before, Closed):
            assert ticket is not None
        elif ticket is None:
            assert 0 < self.circuit.wait <= POLICY.longest_cooldown
        elif isinstance(before, Open):
            assert now - self.opened >= before.cooldown
        else:
            assert self.probe is None or now - self.probed >= POLICY.probe_deadline
        if ticket is not None:
            self.out.append((ticket, self.epoch))
            if not isinstance(before, Closed):
                self.probe, self.probed = ticket, now

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0), outcome=OUTCOMES, chance=CHANCES)
    def a_call_returns(self, which: int, outcome: Outcome, chance: float) -> None:
        ticket, epoch = self.out.pop(which % len(self.out))
        before = self.circuit.state
        fact = self.circuit.record(ticket, outcome, now=self.now, chance=chance)
        if epoch != self.epoch:
            assert self.circuit.state is before
        if ticket == self.probe:
            self.probe = None
        self.epoch += fact is not None
        if isinstance(self.circuit.state, Open) and not isinstance(before, Open):
            self.opened = self.now

    @rule()
    def the_server_recovers(self) -> None:
        """From here on all succeed: then it is closed after one wait and one call."""
        circuit = Circuit(self.circuit.state)
        now = self.now
        ticket = circuit.admit(now)
        if ticket is None:
            now += max(POLICY.longest_cooldown, POLICY.probe_deadline)
            ticket = circuit.let_in(now)
        circuit.record(ticket, Outcome.SUCCESS, now=now)

        assert isinstance(circuit.state, Closed)

    @invariant()
    def no_more_is_remembered_than_counts(self) -> None:
        state = self.circuit.state
        assert not isinstance(state, Closed) or len(state.recent) <= POLICY.calls

    @invariant()
    def the_facts_lead_from_one_state_to_the_next(self) -> None:
        names = ["closed", *(fact.target for fact in self.circuit.facts)]

        assert [fact.source for fact in self.circuit.facts] == names[:-1]
        assert self.circuit.state.name == names[-1]


Breaker.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
test_any_story_keeps_the_promises = Breaker.TestCase
