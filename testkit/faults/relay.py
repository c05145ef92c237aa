"""A relay in front of a server, as tests see it: its address, and the faults of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.faults.attempts import Attempts
from testkit.faults.drop_filter import SUPPORTED
from testkit.faults.fault import BOTH, Condition, Fault
from testkit.system.calling_site import calling_site
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from testkit.faults.fault import Kind
    from testkit.faults.faults import Faults
    from testkit.faults.protocols.rules import Rule, Rules
    from testkit.faults.protocols.steps import Direction
    from testkit.faults.station import Station

    Where = Literal["both", "to_server", "to_client"]

__all__ = ["Relay"]

_DIRECTIONS: Final[dict[str, tuple[Direction, ...]]] = {
    "both": BOTH,
    "to_server": ("to_server",),
    "to_client": ("to_client",),
}


class Relay:
    """Leads connections to a server. ``host`` and ``port`` are where it listens: always 127.0.0.1.

    Each fault begins with the call and ends with its ``with`` block, with ``end()`` or with the
    test. Faults add up: latencies are summed, and of several that meet a new connection the first
    of ``refuse``, ``reset``, ``reset_on_connect``, ``silence`` decides. Seconds are real ones. A
    call returns when the fault is in force. All raise TK601 for values that mean nothing, and TK603
    when the test is over.
    """

    host = LOOPBACK

    def __init__(self, faults: Faults, name: str, station: Station) -> None:
        self._faults, self._name, self._station = faults, name, station
        self.port = station.port
        self._attempts: dict[Fault, Attempts] = {}

    def __repr__(self) -> str:
        return f"<{self._name} at {self.host}:{self.port}>"

    def latency(self, seconds: float, jitter: float = 0.0, *, direction: Where = "both") -> Fault:
        """Put off all bytes for so long, each way, give or take ``jitter`` seconds.

        The jitter is drawn from the run's seed. Bytes keep their order. When it ends, what is on
        its way arrives at once.
        """
        call = self._call("latency", _given(seconds, jitter=jitter, direction=direction))
        return self._begin(call, "latency", seconds=seconds, jitter=jitter, direction=direction)

    def reset(self) -> Fault:
        """Reset all connections, idle ones too, and each new one while it lasts.

        ``reset().end()`` resets those of this moment only.
        """
        return self._begin(self._call("reset"), "reset")

    def reset_on_connect(self) -> Fault:
        """Reset each new connection at once; those that stand are left alone."""
        return self._begin(self._call("reset_on_connect"), "reset_on_connect")

    def refuse(self) -> Fault:
        """Let nothing listen: new connections are refused; those that stand are left alone.

        ``struck`` counts the attempts of psycopg, asyncpg, redis-py and SQLAlchemy in this process.
        Of others the kernel tells only that there were any: they make it 1 when the fault ends.
        """
        return self._begin(self._call("refuse"), "refuse")

    def silence(self) -> Fault:
        """Accept new connections and say nothing, nor reach the server, until they are closed."""
        return self._begin(self._call("silence"), "silence")

    def black_hole(self, *, direction: Where = "both") -> Fault:
        """Hold all bytes, ends and resets; when it ends they flow on, and nothing was closed."""
        call = self._call("black_hole", _given(direction=direction))
        return self._begin(call, "black_hole", direction=direction)

    def connect_black_hole(self) -> Fault:
        """Let attempts to connect find no answer, as by a dead machine. Linux only, else TK602.

        When it ends, a client that still waits gets through at its kernel's next attempt, which
        comes 1, 3, 7 … seconds after the first. ``struck`` is counted then.
        """
        if not SUPPORTED:
            raise TestkitError("TK602", what=f"{self._name}.connect_black_hole()", reason=_ONLY)
        return self._begin(self._call("connect_black_hole"), "connect_black_hole")

    def cut(self, *, after: int) -> Fault:
        """Close each connection in order behind so many bytes to the client, counted from now."""
        return self._begin(self._call("cut", _given(after=after)), "cut", after=after)

    def slow_close(self, seconds: float, *, direction: Where = "both") -> Fault:
        """Tell one side only so much later that the other has closed; a reset is told at once."""
        call = self._call("slow_close", _given(seconds, direction=direction))
        return self._begin(call, "slow_close", seconds=seconds, direction=direction)

    def listen(self, rule: Rule, rules: Rules) -> Fault:
        """Let a rule of the relay's conversations strike, until its fault ends.

        The fault counts how often the conversations note that it struck.
        """

        def end(fault: Fault) -> None:
            self._in_loop(lambda: self._station.forget_rule(fault, rule, rules))

        fault = self._new(f"{self._name}.{rule.text}", Condition("rule"), end)
        fault.rule = rule
        self._in_loop(lambda: self._station.add_rule(fault, rule, rules))
        return fault

    def end(self) -> None:
        """End every fault of the relay, and drop what it holds; the test's end does so."""
        self._in_loop(self._station.abandon)
        for fault in [fault for name, fault in self._faults.declared if name == self._name]:
            fault.end()

    def close(self) -> None:
        """Close everything; the test's end does so."""
        self._in_loop(self._station.close)

    def _begin(
        self,
        call: str,
        kind: Kind,
        *,
        seconds: float = 0.0,
        jitter: float = 0.0,
        after: int = 0,
        direction: str = "both",
    ) -> Fault:
        if direction not in _DIRECTIONS:
            known = ", ".join(map(repr, _DIRECTIONS))
            raise TestkitError("TK601", call=call, reason=f"direction is one of {known}")
        if not all(isinstance(each, (int, float)) for each in (seconds, jitter, after)):
            raise TestkitError("TK601", call=call, reason="it takes numbers")
        if min(seconds, jitter, after) < 0 or not all(map(_is_finite, (seconds, jitter))):
            raise TestkitError("TK601", call=call, reason="it takes no negative or endless values")
        condition = Condition(kind, _DIRECTIONS[direction], seconds, jitter, after)
        fault = self._new(call, condition, self._end)
        if kind == "refuse":
            self._listen_for(fault)
        self._in_loop(lambda: self._station.begin(fault))
        return fault

    def _new(self, call: str, condition: Condition, end: Callable[[Fault], None]) -> Fault:
        self._faults.check(self._name)
        site = calling_site(self._faults.root)
        fault = Fault(call, condition, end, f"{site.file}:{site.line}" if site else "")
        self._faults.declared.append((self._name, fault))
        return fault

    def _listen_for(self, fault: Fault) -> None:
        def tried() -> None:
            self._in_loop(lambda: self._station.tried(fault))

        attempts = self._attempts[fault] = Attempts(self.port, tried)
        attempts.begin()

    def _end(self, fault: Fault) -> None:
        attempts = self._attempts.pop(fault, None)
        if attempts is not None:
            attempts.end()
            if not fault.struck and attempts.unheard():
                fault.struck = 1
        self._in_loop(lambda: self._station.end(fault))

    def _in_loop(self, do: Callable[[], None]) -> None:
        self._station.loop.call(do)

    def _call(self, method: str, given: str = "") -> str:
        return f"{self._name}.{method}({given})"


_ONLY: Final = "only Linux lets an ordinary process throw packets away"


def _given(*values: object, **named: object) -> str:
    """Return arguments as they are written; those that are the default are left out."""
    default = {"direction": "both", "jitter": 0.0}
    shown = [f"{k}={v!r}" for k, v in named.items() if k not in default or v != default[k]]
    return ", ".join([*map(repr, values), *shown])


def _is_finite(seconds: float) -> bool:
    return seconds < float("inf")
