"""What the counts of a Redis say about a test."""

from __future__ import annotations

import pytest

from testkit.isolation.redis_traces import read_traces

LINE = "cmdstat_{}:calls={},usec=1,usec_per_call=1.00,rejected_calls={},failed_calls={}\r\n"
OURS = "".join(LINE.format(name, 1, 0, 0) for name in ("slowlog|reset", "latency|reset", "acl|log"))


def info(*lines: str, blocked: int = 0) -> bytes:
    head = f"# Clients\r\nblocked_clients:{blocked}\r\n\r\n# Commandstats\r\n"
    return (head + OURS + "".join(lines)).encode()


def test_a_command_stands_there_if_it_was_called() -> None:
    seen = read_traces(info(LINE.format("config|set", 2, 0, 0), LINE.format("get", 1, 0, 0)))

    assert seen.of({b"config|set", b"acl|setuser"})
    assert not seen.of({b"acl|setuser"})
    assert (seen.complete, seen.blocked, seen.transactions) == (True, False, False)


def test_where_the_reset_s_own_commands_are_missing_any_may_have_been_called() -> None:
    seen = read_traces(info().replace(b"cmdstat_acl|log:", b"cmdstat_ping:"))

    assert seen.of({b"config|set"})


def test_who_waits_is_told() -> None:
    assert read_traces(info(blocked=12)).blocked


@pytest.mark.parametrize(
    ("begun", "ended", "dropped", "expected"),
    [
        ((2, 0, 0), (1, 0, 0), (1, 0, 0), False),
        ((2, 0, 0), (1, 0, 0), (0, 0, 0), True),
        ((2, 0, 0), (2, 0, 1), (0, 0, 0), True),
        ((1, 0, 0), (1, 1, 0), (0, 0, 0), True),
        ((1, 0, 0), (0, 0, 0), (1, 0, 1), True),
    ],
)
def test_a_transaction_that_may_be_open_is_told(
    begun: tuple[int, int, int],
    ended: tuple[int, int, int],
    dropped: tuple[int, int, int],
    expected: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    lines = [
        LINE.format(name, *counts)
        for name, counts in (("multi", begun), ("exec", ended), ("discard", dropped))
        if any(counts)
    ]

    assert read_traces(info(*lines)).transactions == expected


def test_two_readings_are_one() -> None:
    first = read_traces(info(LINE.format("client|pause", 1, 0, 0)))
    both = first.and_then(read_traces(info(LINE.format("config|set", 1, 0, 0), blocked=1)))

    assert both.of({b"client|pause"})
    assert both.of({b"config|set"})
    assert (both.complete, both.blocked, both.transactions) == (True, True, False)
