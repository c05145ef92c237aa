"""The clock of one test: hands to stop and to move."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from testkit.clock.hands import HANDS, SECOND, Hands
from testkit.clock.in_flight import InFlight
from testkit.clock.loops import Loops
from testkit.clock.mixed_clocks import MixedClocks
from testkit.clock.other_loops import refuse_other_loops, running_other_loop
from testkit.clock.patches import Patches
from testkit.clock.server_time import shift_key, shift_row
from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    import time_machine

    from testkit.clock.hands import HandName

__all__ = ["Clock", "Frozen"]

_PATIENCE: Final = 5 * SECOND
_FOREVER: Final = 1e9  # seconds: an endless patience, as a number


class Frozen:
    """What ``freeze`` returns: as a context manager, the hands go on when its block ends."""

    def __init__(self, clock: Clock, hands: tuple[HandName, ...], patience_before: int) -> None:
        self._clock = clock
        self._hands = hands
        self._patience_before = patience_before

    def __enter__(self) -> Clock:
        return self._clock

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clock.start(self._hands, patience=self._patience_before)


@dataclass(frozen=True, slots=True)
class _Move:
    """One move, and what had been read before it."""

    hands: tuple[HandName, ...]
    named: bool
    call: str
    reads: dict[HandName, int]


class Clock:
    """Wall time, monotonic time and event-loop time of one test, moved together or by name.

    ``hands`` is one of "wall", "monotonic" and "loop", or several; without it, all three. Seconds
    may be a number or a timedelta. May be called from any thread and from any asyncio loop; where
    uvloop or trio runs, what moves or stops "loop" raises TK660.
    """

    def __init__(self) -> None:
        self._hands: Final = Hands()
        self._in_flight: Final = InFlight()
        self._loops: Final = Loops(self._hands, self._in_flight)
        self._patches: Final = Patches()
        self._mixed: Final = MixedClocks(self._hands)
        self._moves: list[_Move] = []
        self._visits = 0  # calls of run_for that go on
        self._stand_meanwhile: set[HandName] = set()  # they go on when the last of those ends

    def freeze(
        self,
        at: time_machine.DestinationType = None,
        *,
        hands: HandName | Iterable[HandName] | None = None,
        patience: float = 5.0,
    ) -> Frozen:
        """Stop the hands, wall time at this instant if one is given: until ``unfreeze``.

        Also a context manager. While loop time stands, a waiting loop jumps to its next timer at
        once, and the other standing hands with it, unless a request, a job of an executor, an
        anyio worker thread or a child process is in flight: then a timer fires when the time that
        it had left has really passed, or after ``patience`` real seconds.
        """
        names = _names(hands)
        self._check(names)
        if at is not None and "wall" not in names:
            raise ValueError("an instant is for the hand 'wall', which is not among the hands")
        waits = round(min(patience, _FOREVER) * SECOND)
        with self._hands.lock:
            # Within another one, the block stops what does not stand yet, and starts no more.
            going = self._stand_meanwhile | (set(HANDS) - self._hands.standing)
            stopped = tuple(name for name in names if name in going)
            self._hands.stop(stopped)
            self._stand_meanwhile.difference_update(stopped)
            if at is not None:
                self._hands.set_wall(at)
            before, self._loops.patience = self._loops.patience, waits
            self._loops.wake()
        return Frozen(self, stopped, before)

    def unfreeze(self, *, hands: HandName | Iterable[HandName] | None = None) -> None:
        """Let the hands go on from where they stand."""
        self.start(_names(hands))

    def start(self, names: tuple[HandName, ...], *, patience: int = _PATIENCE) -> None:
        """Let just these hands go on, none where there are none; for ``Frozen``.

        While a ``run_for`` goes on they stand for it, and go on at its end.
        """
        with self._hands.lock:
            if self._visits:
                self._stand_meanwhile.update(self._hands.standing.intersection(names))
            else:
                self._hands.start(names)
            self._loops.patience = patience if "loop" in self._hands.standing else _PATIENCE
            self._loops.wake()

    def advance(
        self,
        seconds: float | timedelta,
        *,
        hands: HandName | Iterable[HandName] | None = None,
    ) -> None:
        """Move the hands at once: timers that came due meanwhile fire once, at the loop's turn.

        Only wall time can be moved back: raises ValueError for the others.
        """
        names = _names(hands)
        self._check(names)
        nanoseconds = _nanoseconds(seconds)
        if nanoseconds < 0 and names != ("wall",):
            raise ValueError("only the hand 'wall' can be moved back")
        with self._hands.lock:
            self._note(names, named=hands is not None, call=f"clock.advance({seconds})")
            self._hands.move(nanoseconds, names)
            self._loops.wake()

    async def run_for(self, seconds: float | timedelta) -> None:
        """Let all hands pass this time from timer to timer, in order, without waiting for it.

        Returns when every timer until then has fired and nothing that they set off is in flight;
        what stays in flight is waited for as under ``freeze``. Hands that did not stand go on,
        when all calls that go on at once have ended. Raises ValueError for a time that is over.
        """
        self._check(HANDS)
        nanoseconds = _nanoseconds(seconds)
        if nanoseconds < 0:
            raise ValueError("only the hand 'wall' can be moved back, by clock.advance")
        with self._hands.lock:
            self._note(HANDS, named=False, call=f"clock.run_for({seconds})")
            going = set(HANDS) - self._hands.standing
            self._hands.stop(going)
            self._stand_meanwhile |= going
            self._visits += 1
            self._loops.wake()
        try:
            await self._loops.visit(nanoseconds)
        finally:
            self._end_visit()

    def shift_key(self, client: Any, key: str | bytes, seconds: float | timedelta) -> Any:
        """Take this much off the time that a key of Redis has left; see ``server_time``."""
        return shift_key(client, key, seconds)

    def shift_row(
        self, session: Any, column: Any, seconds: float | timedelta, *, where: Any = None
    ) -> Any:
        """Make a column's value older in the rows that match; see ``server_time``."""
        return shift_row(session, column, seconds, where=where)

    def begin(self) -> None:
        """Follow event loops from now on; the fixture calls it."""
        self._in_flight.install(self._patches)
        self._loops.install(self._patches)
        self._mixed.install(self._patches)
        refuse_other_loops(self._patches, self._hands)

    def end(self) -> None:
        """Put back everything that was replaced; the fixture calls it."""
        try:
            self._loops.end()
        finally:
            self._patches.undo()
            self._hands.end()

    def unread(self, where: str) -> TestkitError | None:
        """Return TK661 for the first move of hands that nobody has read since.

        Moved together, one that was read is enough; moved by name, each must have been.
        """
        for move in self._moves:
            unread = [name for name in move.hands if self._hands.reads[name] == move.reads[name]]
            if unread and (move.named or len(unread) == len(move.hands)):
                read = [name for name in HANDS if self._hands.reads[name]]
                return TestkitError(
                    "TK661",
                    call=move.call,
                    unread=", ".join(unread),
                    read=", ".join(read) or "none",
                    where=where,
                )
        return None

    def mixed(self, where: str) -> TestkitError | None:
        """Return TK665 where an instant of this clock was sent to Redis, which has its own."""
        if not self._mixed.seen:
            return None
        return TestkitError("TK665", commands=", ".join(self._mixed.seen[:5]), where=where)

    def _note(self, names: tuple[HandName, ...], *, named: bool, call: str) -> None:
        self._moves.append(_Move(names, named, call, dict(self._hands.reads)))
        if "loop" in names and self._loops.has_timers():
            self._hands.reads["loop"] += 1  # whoever set a timer waits for this hand

    def _end_visit(self) -> None:
        with self._hands.lock:
            self._visits -= 1
            if not self._visits:
                names, self._stand_meanwhile = tuple(self._stand_meanwhile), set()
                self.start(names, patience=self._loops.patience)

    def _check(self, names: tuple[HandName, ...]) -> None:
        if "loop" in names and (other := running_other_loop()) is not None:
            raise TestkitError("TK660", library=other)


def _names(hands: HandName | Iterable[HandName] | None) -> tuple[HandName, ...]:
    if hands is None:
        return HANDS
    asked = {hands} if isinstance(hands, str) else set(hands)
    if not asked or not asked <= set(HANDS):
        raise ValueError(f"hands are {', '.join(HANDS)}; not {', '.join(sorted(asked)) or 'none'}")
    return tuple(name for name in HANDS if name in asked)


def _nanoseconds(seconds: float | timedelta) -> int:
    if isinstance(seconds, timedelta):
        return (seconds // timedelta(microseconds=1)) * 1000
    return round(seconds * SECOND)
