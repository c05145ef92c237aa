"""How a fault is declared, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.addresses import parse_url
from testkit.core.messages import TestkitError
from testkit.core.provided import provided
from testkit.core.relayed import relayed
from testkit.faults.relays import speaks_tls
from testkit.system.ports import ports_apart

if TYPE_CHECKING:
    from testkit.faults.faults import Faults
    from testkit.servers.redis import RedisServer


@pytest.mark.parametrize(
    ("method", "given", "shown"),
    [
        ("latency", {"seconds": -1}, r"latency\(-1\): it takes no negative"),
        ("latency", {"seconds": "soon"}, r"latency\('soon'\): it takes numbers"),
        ("latency", {"seconds": 1, "jitter": float("inf")}, r"latency\(1, jitter=inf\): it takes"),
        ("cut", {"after": -1}, r"cut\(after=-1\): it takes no negative"),
        ("black_hole", {"direction": "up"}, r"black_hole\(direction='up'\): direction is one of"),
    ],
)
def test_a_value_that_means_nothing_is_refused(
    faults: Faults, method: str, given: dict[str, Any], shown: str
) -> None:
    with pytest.raises(TestkitError, match=rf"TK601: faults\.redis\.{shown}"):
        getattr(faults.redis, method)(**given)

    assert faults.declared == []


def test_a_name_that_leads_nowhere_has_no_relay(faults: Faults) -> None:
    with pytest.raises(TestkitError, match="TK601"):
        faults.proxy("no such host.invalid", 1)


@pytest.mark.parametrize(
    ("url", "encrypted"),
    [
        ("rediss://cache/0", True),
        ("redis://cache/0", False),
        ("postgresql://db/a?sslmode=require", True),
        ("postgresql://db/a?sslmode=prefer", False),
    ],
)
def test_an_address_tells_whether_it_is_spoken_to_over_tls(url: str, *, encrypted: bool) -> None:
    kind = "redis" if url.startswith("redis") else "database"

    assert speaks_tls(parse_url(kind, url)) == encrypted


def test_no_rule_strikes_what_is_encrypted(faults: Faults) -> None:
    relay = faults.redis
    relay.behind = dataclasses.replace(relay.behind, tls=True)
    with pytest.raises(TestkitError, match=r"TK602: faults\.redis\.request.* no relay can read"):
        relay.request("GET").dropped()


def test_a_fault_ends_once(faults: Faults) -> None:
    fault = faults.redis.silence()
    fault.end()
    fault.end()
    fault.struck = 1  # nobody came

    assert not fault.active
    assert repr(fault) == "<faults.redis.silence(), struck 1 times>"


def test_its_address_is_open_to_tests_while_it_stands(
    faults: Faults, redis_server: RedisServer
) -> None:
    relay = faults.redis
    place = (relay.host, relay.port)
    standing = place in provided, relayed.port(relay.port)
    faults.close()

    assert standing == (True, redis_server.port)
    assert (place in provided, relayed.port(relay.port)) == (False, relay.port)


@pytest.mark.skipif(not ports_apart(), reason="the kernel may choose every port")
def test_nobody_gets_the_port_of_a_relay_by_chance_when_it_is_gone(faults: Faults) -> None:
    # What goes to that port is led on to the server: a stranger there would not be reached.
    ports = {faults.redis.port, faults.postgres.port}

    assert ports <= set(ports_apart())


def test_behind_the_test_there_is_no_relay(faults: Faults) -> None:
    relay = faults.redis
    faults.close()
    faults.close()

    with pytest.raises(TestkitError, match=r"TK603: faults\.redis was used"):
        relay.reset()
    with pytest.raises(TestkitError, match=r"TK603: faults\.postgres was used"):
        _ = faults.postgres
