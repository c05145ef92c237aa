"""What clients see of each fault of the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from testkit.faults.faults import Faults


def client_of(faults: Faults, **options: object) -> redis.Redis:
    """Return a client that tries once."""
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(faults.redis.url, retry=once, **options)


def test_without_a_fault_everything_passes(faults: Faults) -> None:
    with client_of(faults) as client:
        assert client.ping() is True
        client.set("a", b"x" * 3_000_000)
        assert len(client.get("a")) == 3_000_000


def test_a_reset_strikes_an_idle_connection(faults: Faults) -> None:
    with client_of(faults, single_connection_client=True) as client:
        client.ping()
        with faults.redis.reset() as fault, pytest.raises(redis.ConnectionError):
            client.ping()
    assert fault.struck


def test_refuse(faults: Faults) -> None:
    with client_of(faults) as client:
        with faults.redis.refuse() as fault, pytest.raises(redis.ConnectionError, match="refused"):
            client.ping()
        assert fault.struck == 1
        assert client.ping() is True
