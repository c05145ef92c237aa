"""What Postgres sends to a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.faults.protocols.postgres_messages import FROM_SERVER, HEADER, is_ours
from testkit.faults.protocols.postgres_shared import (
    ENCRYPTION_ANSWERED,
    Asked,
    Shared,
    Unit,
    struck,
)
from testkit.faults.protocols.rules import Break, Cut, Delay, Drop
from testkit.faults.protocols.steps import TO_CLIENT, Close, Forward, Hold, Reset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.faults.protocols.rules import Action
    from testkit.faults.protocols.steps import Step

__all__ = ["Replies"]

_READY, _ERROR, _COPY_IN = b"ZEG"
#: What ends the reply to a statement of the extended protocol: done, empty, suspended, failed.
_ENDS: Final = frozenset(b"CIsE")
#: Notices, parameters and notifications come at any time, in the middle of a reply too.
_ANY_TIME: Final = frozenset(b"NSA")
#: What need not be looked at where no rule listens.
_QUIET: Final = frozenset(b"Dd123tTnNSAKRcHWv")
#: What belongs to no reply: parameters and notifications.
_NEVER_LOST: Final = frozenset(b"SA")
#: What must be whole to be looked at.
_READ: Final = frozenset(b"ZEAS")
_NO_MESSAGES: Final = "bytes of the server that are no messages of Postgres"
_ENCRYPTED: Final = "an encrypted connection"
_LONGEST: Final = 1024 * 1024


class Replies:
    """The server's direction of a conversation."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._tail = b""
        self._sent = 0
        self._skip = 0
        self._skip_swallowed = False
        self._swallowing = False  # up to the unit's ReadyForQuery, and it
        self._cut: int | None = None
        self._run = 0
        self._steps: list[Step] = []

    def feed(self, data: bytes) -> Sequence[Step]:
        """Return what to do about these bytes."""
        shared = self._shared
        steps = self._steps = []
        if shared.over or not data:
            return steps
        self._run, position = self._sent, 0
        data = self._tail + data if self._tail else data
        self._tail, self._sent = b"", 0
        if shared.phase == "ssl":
            position = self._encryption(data)
        if not shared.blind:
            position = self._messages(data, position)
        if not shared.over:
            self._leave(data, position)
        return steps

    def _encryption(self, data: bytes) -> int:
        shared = self._shared
        self._steps.append(ENCRYPTION_ANSWERED)
        if data[:1] == b"N":
            shared.phase = "startup"
            return 1
        if data[:1] == b"E":
            shared.phase = "messages"
            return 0
        shared.give_up(_ENCRYPTED if data[:1] in {b"S", b"G"} else _NO_MESSAGES, self._steps)
        return 0

    def _messages(self, data: bytes, position: int) -> int:
        """Go through the messages; return where the first begins that is not whole."""
        shared, end, unpack = self._shared, len(data), HEADER.unpack_from
        if self._skip:
            position = min(self._skip, end)
            self._skip -= position
            self._pass(data, position, swallowed=self._skip_swallowed)
        while position + 5 <= end and not shared.over:
            if not self._swallowing and self._cut is None:
                position = self._plain(data, position)
                if position + 5 > end:
                    break
            kind, length = unpack(data, position)
            following = position + 1 + length
            if kind not in FROM_SERVER or length < 4:  # noqa: PLR2004
                shared.give_up(_NO_MESSAGES, self._steps)
                return position
            if following > end and kind in _READ and length < _LONGEST:
                return position
            stop = min(following, end)
            self._message(kind, data, position, stop)
            position, self._skip = stop, following - stop
        return position

    def _plain(self, data: bytes, position: int) -> int:
        """Go on behind messages of replies that no rule listens to; none of them stays half."""
        units, names, end = self._shared.units, self._shared.rules.names, len(data)
        unpack = HEADER.unpack_from
        while position + 5 <= end:
            unit = units[0] if units else None
            asked = unit.current if unit is not None else None
            if asked is not None and (
                asked.answer is not None
                or not (asked.begun or names.isdisjoint(asked.statement.listeners))
            ):
                break
            kind, length = unpack(data, position)
            begun = False
            while kind in _QUIET and length >= 4:  # noqa: PLR2004
                begun = begun or kind not in _ANY_TIME
                position += 1 + length
                if position + 5 > end:
                    break
                kind, length = unpack(data, position)
            following = position + 1 + length
            ends = kind in _ENDS and position + 5 <= end
            if asked is not None and not asked.begun and (begun or ends):
                asked.begun = True
                self._steps.append(asked.statement.answered)
            if following > end or length < 4 or not (ends or kind == _READY):  # noqa: PLR2004
                break
            if unit is not None:
                self._take_in(kind, unit)
            position = following
        if position > end:
            self._skip, self._skip_swallowed = position - end, False
        return min(position, end)

    def _message(self, kind: int, data: bytes, position: int, stop: int) -> None:
        units = self._shared.units
        unit = units[0] if units else None
        asked = unit.current if unit is not None else None
        if asked is not None and not asked.begun and kind not in _ANY_TIME and kind != _READY:
            self._begin(asked, data, position)
            if self._shared.over:
                return
        swallowed = self._swallowing or (asked is not None and asked.answer is not None)
        if kind in _NEVER_LOST and swallowed:
            self._steps.append(Forward(data[position:stop], TO_CLIENT))
        elif kind == _ERROR and asked is not None and asked.answer is not None:
            swallowed = self._answer(asked, data[position:stop])
        self._pass(data, stop, swallowed=swallowed)
        self._skip_swallowed = swallowed
        if unit is not None and not self._shared.over:
            self._take_in(kind, unit)

    def _begin(self, asked: Asked, data: bytes, position: int) -> None:
        """Decide about the reply to a statement that begins there."""
        asked.begun = True
        shared = self._shared
        if asked.answer is None:
            rules = shared.rules.replies if self._run <= position else ()
            asked.rule = shared.rules.take(rules, asked.statement) if rules else None
            self._steps.append(struck(asked.statement.answered, asked.rule))
        if asked.rule is not None or asked.answer is not None:
            self._forward(data, position)
        if asked.rule is not None:
            self._strike(asked.rule.action)

    def _strike(self, action: Action) -> None:
        if isinstance(action, Drop):
            self._swallowing = True
        elif isinstance(action, Cut):
            self._cut = action.after
        elif isinstance(action, Delay):
            self._steps.append(Hold(action.seconds, TO_CLIENT))
        elif isinstance(action, Break):
            self._steps.append(Reset())
            self._shared.over = True

    def _answer(self, asked: Asked, message: bytes) -> bool:
        """Give the client its error for the server's; return whether it was ours."""
        ours = is_ours(message)
        if ours and asked.answer is not None:
            self._steps += [asked.statement.answered, Forward(asked.answer, TO_CLIENT)]
        return ours

    def _pass(self, data: bytes, stop: int, *, swallowed: bool) -> None:
        """Let bytes flow up to there, or not."""
        if swallowed:
            self._run = max(self._run, stop)
        elif self._cut is not None:
            part = data[self._run : stop][: self._cut]
            if part:
                self._steps.append(Forward(part, TO_CLIENT))
            self._cut -= len(part)
            self._run = max(self._run, stop)
            if not self._cut:
                self._close()

    def _close(self) -> None:
        self._steps.append(Close())
        self._shared.over = True

    def _take_in(self, kind: int, unit: Unit) -> None:
        """Go on to the next statement, or to the next unit."""
        if kind == _READY:
            self._shared.units.popleft()
            if unit.noted is not None:
                self._steps.append(unit.noted)
            self._swallowing = False
            if self._cut is not None:
                self._close()  # the reply was shorter than what it may be
        elif kind in _ENDS and unit.extended:
            if kind != _ERROR and unit.current is not None and unit.current.answer is not None:
                return  # of the ROLLBACK before what fails in the place of a COMMIT
            unit.failed = unit.failed or kind == _ERROR
            unit.at += 1
        elif kind == _COPY_IN and unit.extended and unit is self._shared.units[-1]:
            unit.closed = False  # the server overlooks a Sync while it waits for the data

    def _forward(self, data: bytes, stop: int) -> None:
        if stop > self._run:
            whole = self._run == 0 and stop == len(data)
            self._steps.append(Forward(data if whole else data[self._run : stop], TO_CLIENT))
            self._run = stop

    def _leave(self, data: bytes, position: int) -> None:
        """Forward what may go, and keep the begin of a message."""
        shared = self._shared
        asked = shared.units[0].current if shared.units else None
        strict = self._swallowing or self._cut is not None or bool(shared.rules.replies)
        strict = strict or (asked is not None and asked.answer is not None)
        if shared.blind or not strict or self._run > position:
            self._forward(data, len(data))
        else:
            self._forward(data, position)
        if not shared.blind and position < len(data):
            self._tail, self._sent = data[position:], max(self._run - position, 0)
