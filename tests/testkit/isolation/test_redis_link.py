"""testkit's own connection to a Redis: it comes back, and nobody else is logged in as its user."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
import redis

from testkit.core.messages import TestkitError
from testkit.isolation.redis_link import OWN_USER, Link

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.redis import RedisServer
    from tests.support.keyspaces import Client


@pytest.fixture
def link(redis_server: RedisServer) -> Iterator[Link]:
    link = Link(redis_server.address, own=True)
    yield link
    link.close()


def test_it_is_a_user_of_its_own(link: Link) -> None:
    assert link.do(("ACL", "WHOAMI")) == [OWN_USER.encode()]


def test_without_a_user_of_its_own_it_is_that_of_the_address(redis_server: RedisServer) -> None:
    link = Link(redis_server.address, own=False)
    answers = link.do(("ACL", "WHOAMI"), ("CLIENT", "GETNAME"))
    link.close()

    assert answers == [b"default", b"testkit"]


def test_answers_come_in_order_and_errors_among_them(link: Link) -> None:
    first, wrong, last = link.ask([("SET", "key", b"\xff"), ("INCR", "key"), ("GET", "key")])

    assert (first, last) == (b"OK", b"\xff")
    assert isinstance(wrong, redis.ResponseError)
    with pytest.raises(redis.ResponseError, match="not an integer"):
        link.do(("INCR", "key"))


@pytest.mark.parametrize(
    "rules", [("resetpass",), ("off",), ("-@all",), ("reset",), ("resetkeys",)], ids=" ".join
)
def test_it_comes_back_from_whatever_is_done_to_its_user(
    link: Link, client: Client, rules: tuple[str, ...]
) -> None:
    link.do(("PING",))
    client().execute_command("ACL", "SETUSER", OWN_USER, *rules)
    client().client_kill_filter(_type="normal", skipme=True)

    assert link.do(("ACL", "WHOAMI"), ("SET", "key", 1)) == [OWN_USER.encode(), b"OK"]


def test_it_keeps_at_work_while_default_is_locked_out(link: Link, client: Client) -> None:
    link.do(("PING",))
    client().acl_setuser("default", reset=True)
    link.close()

    assert link.do(("PING",)) == [b"PONG"]


def test_a_server_that_does_not_know_us_is_told(redis_server: RedisServer) -> None:
    link = Link(dataclasses.replace(redis_server.address, password="wrong"), own=True)
    with pytest.raises(TestkitError, match="locked out") as caught:
        link.do(("PING",))

    assert caught.value.code == "TK310"
