"""The relay does what a conversation says."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from testkit.faults.log import Log
from testkit.faults.loop import Loop
from testkit.faults.protocols.rules import Drop, Rule, Rules
from testkit.faults.protocols.steps import (
    Close,
    Conversation,
    Forward,
    Hold,
    Noted,
    Reset,
    Step,
)
from testkit.faults.station import Station
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from testkit.faults.faults import Faults
    from testkit.servers.redis import RedisServer

HOLD = 0.005


class Words:
    """Takes each piece for a request or a reply, and does what its first word says."""

    def from_client(self, data: bytes) -> Sequence[Step]:
        noted = Noted(f"request {data.decode()}", RULE, "request")
        match data:
            case b"drop":
                return [noted]
            case b"answer":
                return [noted, Forward(b"an error", "to_client")]
            case b"reset":
                return [noted, Reset()]
            case b"close":
                return [noted, Forward(b"half a re", "to_client"), Close()]
        return [noted, Forward(data, "to_server")]

    def from_server(self, data: bytes) -> Sequence[Step]:
        return [
            Noted(f"reply {data.decode()}", None, "reply"),
            Hold(HOLD, "to_client"),
            Forward(data, "to_client"),
        ]


RULE = Rule("request drop: dropped", "request", "DROP", Drop())


class Pair:
    """A client and a server with a conversation between them."""

    def __init__(self, converse: Callable[[], Conversation]) -> None:
        self.log, self.loop = Log(), Loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        place = [(socket.AF_INET, self._listener.getsockname())]
        self.station = self.loop.call(
            lambda: Station(self.loop, "relay", place, self.log, seed=1, converse=converse)
        )
        self.client = socket.create_connection(("127.0.0.1", self.station.port), timeout=5)
        self.server, _ = self._listener.accept()
        self.server.settimeout(5)

    def close(self) -> None:
        """Close everything."""
        self.loop.call(self.station.close)
        self.loop.stop()
        for each in (self.client, self.server, self._listener):
            each.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    found = Pair(Words)
    yield found
    found.close()


def test_what_is_held_arrives_and_is_noted(pair: Pair) -> None:
    pair.client.sendall(b"hello")
    heard = pair.server.recv(100)
    pair.server.sendall(b"welcome")

    assert (heard, pair.client.recv(100)) == (b"hello", b"welcome")
    assert [e.what for e in pair.log] == ["connected", "request hello", "reply welcome"]


def test_a_request_can_be_dropped_and_answered(pair: Pair) -> None:
    pair.client.sendall(b"drop")
    wait_until(lambda: "request drop" in str(pair.log))
    pair.client.sendall(b"answer")
    answer = pair.client.recv(100)
    pair.client.sendall(b"seen")

    assert (answer, pair.server.recv(100)) == (b"an error", b"seen")


def test_a_connection_can_be_reset(pair: Pair) -> None:
    pair.client.sendall(b"reset")

    for side in (pair.client, pair.server):
        with pytest.raises(ConnectionResetError):
            side.recv(1)


def test_the_clients_side_is_closed_in_order_behind_what_was_sent(pair: Pair) -> None:
    pair.client.sendall(b"close")
    heard = [pair.client.recv(100), pair.client.recv(100)]

    assert heard == [b"half a re", b""]
    assert pair.server.recv(1) == b""


def test_a_rule_is_a_fault_like_any_other(faults: Faults, redis_server: RedisServer) -> None:
    book = Rules()
    relay = faults.proxy("127.0.0.1", redis_server.port)
    with relay.listen(RULE, book) as fault:
        station = relay._station
        station.loop.call(lambda: station.note_said(1, "request drop", RULE, "request"))
        listening = book.requests

    assert (listening, book.requests, fault.struck) == ((RULE,), (), 1)
    assert str(faults.log).endswith(
        f"#1  request drop  <- faults.proxy('127.0.0.1', {redis_server.port}).{RULE.text}"
    )
