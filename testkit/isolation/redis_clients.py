"""The clients of a Redis that a test left in a state in which they reach into the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
# Of CLIENT LIST: subscribed, blocked, in a transaction, monitor, replica, tracking.
_FLAGS: Final = frozenset("PbxOSt")
_BLOCKING: Final = frozenset({
    "blmove", "blmpop", "blpop", "brpop", "brpoplpush", "bzmpop", "bzpopmax", "bzpopmin", "wait",
    "waitaof", "xread", "xreadgroup",
})  # fmt: skip


class Clients:
    """Ends the clients that subscribe, block, monitor, track, or are in a transaction.

    One that did so already when a wider-scoped fixture had been set up is left as it is: it is that
    fixture's. A pool connects again where it finds a connection ended.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._kept: dict[str, frozenset[str]] = {}

    def keep(self) -> None:
        """Note what the clients that there are do."""
        self._kept = {
            number: states | {"b"} if command in _BLOCKING else states
            for number, states, command in self._listed()
        }

    def end_those_left(self, seen: Traces) -> bool:
        """End whoever does what he did not do when it was noted; answer whether there was a look.

        Cost: nothing, where nobody sent a command that leads there.
        """
        if not (seen.blocked or seen.transactions or seen.of(_LEADING)):
            return False
        # The server does not say whose answers are turned off.
        mute = b"client|reply" in seen.commands or not seen.complete
        ended = [
            number
            for number, states, _ in self._listed()
            if (mute and number not in self._kept) or states - self._kept.get(number, frozenset())
        ]
        if ended:
            self._link.ask([("CLIENT", "KILL", "ID", number) for number in ended])
        return True

    def _listed(self) -> Iterator[tuple[str, frozenset[str], str]]:
        """Yield number, states and last command of everybody but ourselves."""
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
            yield facts["id"], states, facts["cmd"]
