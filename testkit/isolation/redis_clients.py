"""The clients of a Redis that a test left in a state in which they reach into the next one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from testkit.isolation.patience import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.isolation.redis_link import Link
    from testkit.isolation.redis_traces import Traces

__all__ = ["Clients"]

# After these somebody may listen, watch, follow, or have his answers turned off.
_LEADING: Final = frozenset({
    b"subscribe", b"psubscribe", b"ssubscribe", b"monitor", b"watch", b"client|tracking",
    b"client|reply", b"sync", b"psync",
})  # fmt: skip
_BLOCKING: Final = frozenset({
    "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "wait",
    "waitaof", "xread", "xreadgroup",
})  # fmt: skip
# Of CLIENT LIST: subscribed, blocked, in a transaction, monitor, replica, tracking.
_FLAGS: Final = frozenset("PbxOSt")
# What of it waits for something that the next test may send. The others lie in a pool, or are told
# something besides.
_WAITS: Final = {"P": "subscribed", "b": "blocked", "O": "monitoring"}
_PAUSE: Final = 0.005  # seconds between two looks at a client that has not gone


class _Client(NamedTuple):
    """One line of CLIENT LIST: id, states, last command, and what a message says of it."""

    number: str
    states: frozenset[str]
    command: str
    told: str


class Clients:
    """Ends the clients that subscribe, block, monitor, track, or are in a transaction.

    One that did so already when a wider-scoped fixture had been set up is left as it is: it is that
    fixture's. A pool connects again where it finds a connection ended. One that waits for what the
    next test may send gets ``PATIENCE`` seconds to go by itself; ``left`` describes those that did
    not, since it was last emptied, but for those that may be a wider-scoped fixture's.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._kept: dict[str, frozenset[str]] = {}
        self._older: set[str] = set()  # than the test
        self._lost: list[frozenset[str]] = []  # of a server that was started again
        self._excused: set[str] = set()  # commands
        self.left: list[str] = []

    def keep(self) -> None:
        """Note what the clients that there are do."""
        listed = list(self._listed())
        self._kept = {
            each.number: each.states | {"b"} if each.command in _BLOCKING else each.states
            for each in listed
        }
        self._older |= {each.number for each in listed}

    def forget(self) -> None:
        """Forget who was noted: the server was started again, and counts its clients anew.

        One that comes back and does what one did that was noted is taken for it.
        """
        self._lost += filter(None, self._kept.values())
        self._kept.clear()
        self._older.clear()

    def end_those_left(self, seen: Traces) -> bool:
        """End whoever does what he did not do when it was noted; answer whether there was a look.

        Cost: nothing, where nobody sent a command that leads there.
        """
        if not (seen.blocked or seen.transactions or seen.of(_LEADING)):
            return False
        self._take_back()
        # The server does not say whose answers are turned off.
        mute = b"client|reply" in seen.commands or not seen.complete
        waiting = self._waiting()
        deadline = time.monotonic() + PATIENCE
        while waiting and time.monotonic() < deadline:
            time.sleep(_PAUSE)
            waiting = {
                number: told for number, told in self._waiting().items() if number in waiting
            }
        self.left += waiting.values()
        listed = list(self._listed())
        self._excused |= {each.command for each in listed if self._is_of_a_worker(each)}
        ended = [
            each.number
            for each in listed
            if (mute and each.number not in self._kept) or self._new(each)
        ]
        if ended:
            self._link.ask([("CLIENT", "KILL", "ID", number) for number in ended])
        self._older = {each.number for each in listed} - set(ended)
        return True

    def _take_back(self) -> None:
        for each in self._listed() if self._lost else ():
            if each.number not in self._kept and each.states in self._lost:
                self._lost.remove(each.states)
                self._kept[each.number] = each.states

    def _waiting(self) -> dict[str, str]:
        """Return by number those that wait for what the next test may send."""
        return {
            each.number: each.told
            for each in self._listed()
            if self._new(each) & _WAITS.keys() and not self._is_of_a_worker(each)
        }

    def _is_of_a_worker(self, client: _Client) -> bool:
        """Return whether it blocks for a wider-scoped fixture, as far as can be told.

        It was connected before the test; or it does what one did that was ended: it came back.
        """
        older = client.number in self._older or client.command in self._excused
        return older and self._new(client) & _WAITS.keys() == {"b"}

    def _new(self, client: _Client) -> frozenset[str]:
        return client.states - self._kept.get(client.number, frozenset())

    def _listed(self) -> Iterator[_Client]:
        """Yield everybody but ourselves."""
        me, listing = self._link.do(("CLIENT", "ID"), ("CLIENT", "LIST"))
        for line in listing.decode(errors="replace").splitlines():
            facts = dict(word.partition("=")[::2] for word in line.split(" "))
            if facts["id"] == str(me):
                continue
            states = _FLAGS.intersection(facts["flags"])
            # Older servers do not say who watches, only who has just begun to, and, by d, whose
            # key was changed: the next transaction of theirs would fail.
            if facts.get("watch", "0") != "0" or facts["cmd"] == "watch" or "d" in facts["flags"]:
                states |= {"w"}
            yield _Client(facts["id"], states, facts["cmd"], _told(facts, states))


def _told(facts: dict[str, str], states: frozenset[str]) -> str:
    doing = " and ".join(word for flag, word in _WAITS.items() if flag in states)
    name = repr(facts.get("name", "")) + " " if facts.get("name") else ""
    library = f" ({facts['lib-name']})" if facts.get("lib-name") else ""
    return (
        f"  client {facts['id']} {name}{facts['addr']}{library}, {doing},"
        f" last command {facts['cmd']} {facts['idle']} s ago, connected for {facts['age']} s"
    )
