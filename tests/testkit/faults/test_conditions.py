"""Which fault strikes what."""

from __future__ import annotations

from random import Random

from testkit.faults.conditions import Conditions
from testkit.faults.fault import Condition, Fault, Kind


def fault(kind: Kind, **values: object) -> Fault:
    return Fault(kind, Condition(kind, **values), lambda _fault: None)  # type: ignore[arg-type]


def test_without_a_fault_a_connection_is_served() -> None:
    conditions = Conditions(Random(1))

    assert conditions.meeting() == ("serve", None)
    assert conditions.delay("to_server") == (0.0, None)


def test_the_first_that_meets_a_connection_decides_and_counts() -> None:
    conditions = Conditions(Random(1))
    silence, reset = fault("silence"), fault("reset_on_connect")
    conditions.add(silence)
    conditions.add(reset)

    assert conditions.meeting() == ("reset", reset)
    assert (silence.struck, reset.struck) == (0, 1)


def test_latencies_add_up_in_their_direction() -> None:
    conditions = Conditions(Random(1))
    conditions.add(fault("latency", seconds=1.0))
    conditions.add(fault("latency", seconds=0.5, directions=("to_client",)))

    assert conditions.delay("to_client")[0] == 1.5
    assert conditions.delay("to_server")[0] == 1.0


def test_the_same_seed_gives_the_same_jitter_within_its_bounds() -> None:
    def delays(seed: int) -> list[float]:
        conditions = Conditions(Random(seed))
        conditions.add(fault("latency", seconds=1.0, jitter=0.25))
        return [conditions.delay("to_server")[0] for _ in range(100)]

    assert delays(7) == delays(7) != delays(8)
    assert 0.75 <= min(delays(7)) < max(delays(7)) <= 1.25


def test_what_was_removed_strikes_no_more() -> None:
    conditions = Conditions(Random(1))
    hole = fault("black_hole")
    conditions.add(hole)
    holds = conditions.holding("to_server")
    conditions.remove(hole)

    assert (holds, hole.struck) == (hole, 1)
    assert (conditions.holding("to_server"), conditions.any) == (None, False)
