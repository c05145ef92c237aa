"""What a client sends to Postgres."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from testkit.faults.protocols.postgres_messages import (
    FOUR,
    FROM_CLIENT,
    HEADER,
    ROLLBACK,
    SYNC,
    WRONG_BIND,
)
from testkit.faults.protocols.postgres_shared import Asked, Shared, Unit, struck
from testkit.faults.protocols.postgres_statements import LONGEST_SQL, Statement, statement
from testkit.faults.protocols.rules import Answer, Break, Delay
from testkit.faults.protocols.steps import TO_SERVER, Forward, Hold, Noted, Reset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.faults.protocols.rules import Rule
    from testkit.faults.protocols.steps import Step

__all__ = ["Requests"]

_PARSE, _BIND, _EXECUTE, _QUERY, _SYNC, _CALL, _CLOSE, _FLUSH = b"PBEQSFCH"
_NAMED: Final = frozenset(b"PBEQSFCH")
_UNNAMED: Final = frozenset(b"DdcfpX")
#: So much of a message is needed to decide: its header, two names, a statement.
_DECIDABLE: Final = 5 + 1024 + LONGEST_SQL
#: A statement that is parsed waits for its Bind, unless that takes more than this.
_LONGEST: Final = 1024 * 1024
_VERSION_3, _CANCEL, _SSL, _GSS = 3, 80877102, 80877103, 80877104
_LONGEST_STARTUP: Final = 10_000
_NO_MESSAGES: Final = "bytes of the client that are no messages of Postgres"
_STARTUP: Final = Noted("request startup", None, "request")
_STARTED: Final = Noted("reply to startup", None, "reply")
_RETURNED: Final = Noted("reply to function call", None, "reply")
_ENCRYPTION: Final = Noted("request encryption", None, "request")
_CANCELLING: Final = Noted("request cancel", None, "request")
_FUNCTION: Final = Noted("request function call", None, "request")
_UNKNOWN: Final = statement(b"")


class Requests:
    """The client's direction of a conversation."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._statements: dict[bytes, Statement] = {}
        #: By portal: its statement, and whether it was executed since it was bound.
        self._portals: dict[bytes, tuple[Statement, bool]] = {}
        # The begin of a message that is not whole, and how much of it went already.
        self._tail = b""
        self._sent = 0
        self._skip = 0  # bytes to the end of a message that need not be looked at
        #: "to_sync": drop up to a Sync and it; "before_sync": up to a Sync, which the server gets.
        self._dropping: Literal["no", "to_sync", "before_sync"] = "no"
        self._drop_skipped = False
        self._group = -1  # where a Parse begins that waits for its Bind
        self._fresh = False  # the server got nothing yet of the unit that is open
        self._run = 0  # from where on bytes were not forwarded yet
        self._steps: list[Step] = []

    def feed(self, data: bytes) -> Sequence[Step]:
        """Return what to do about these bytes."""
        shared = self._shared
        steps = self._steps = []
        if shared.over:
            return steps
        self._run, position = self._sent, 0
        data = self._tail + data if self._tail else data
        self._tail, self._sent, self._group = b"", 0, -1
        if not shared.blind and shared.phase != "messages":
            position = self._start(data)
        if not shared.blind and shared.phase == "messages":
            position = self._messages(data, position)
        if not shared.over:
            self._leave(data, position)
        return steps

    def _start(self, data: bytes) -> int:
        """Read what comes before the first message with a type."""
        shared, position = self._shared, 0
        while shared.phase != "messages" and len(data) - position >= 8:  # noqa: PLR2004
            length, code = (
                FOUR.unpack_from(data, position)[0],
                FOUR.unpack_from(data, position + 4)[0],
            )
            if not 8 <= length <= _LONGEST_STARTUP or shared.phase == "ssl":  # noqa: PLR2004
                shared.give_up(_NO_MESSAGES, self._steps)
                break
            if len(data) - position < length:
                break
            if code in {_SSL, _GSS}:
                self._steps.append(_ENCRYPTION)
                shared.phase = "ssl"
            elif code == _CANCEL:
                self._steps.append(_CANCELLING)
                shared.phase = "messages"
            elif code >> 16 == _VERSION_3:
                self._steps.append(_STARTUP)
                shared.phase = "messages"
                shared.units.append(Unit(extended=False, closed=True, noted=_STARTED))
            else:
                shared.give_up(_NO_MESSAGES, self._steps)
                break
            position += length
        if len(data) - position >= 1 and data[position] and shared.phase != "messages":
            shared.give_up(_NO_MESSAGES, self._steps)  # no length begins like this: TLS, HTTP
        return position

    def _messages(self, data: bytes, position: int) -> int:
        """Go through the messages; return where the first begins that is not whole."""
        shared, end, unpack = self._shared, len(data), HEADER.unpack_from
        if self._skip:
            position = self._skipped(end)
        while position + 5 <= end:
            if self._dropping == "no" and self._group < 0:
                position = self._plain(data, position)
                if position + 5 > end:
                    break
            kind, length = unpack(data, position)
            following = position + 1 + length
            if kind not in FROM_CLIENT or length < 4:  # noqa: PLR2004
                shared.give_up(_NO_MESSAGES, self._steps)
                return position
            if following > end and self._wait(kind, position, end):
                return position
            stop = min(following, end)
            if kind in _NAMED:
                self._message(kind, data, position, stop)
                if shared.over:
                    return position
            self._drop_skipped = self._run >= stop
            if self._dropping != "no":
                self._run = stop
                self._drop_skipped = True
            position, self._skip = stop, following - stop
        return position

    def _skipped(self, end: int) -> int:
        """Go on behind a message that was long; return where it ends."""
        position = min(self._skip, end)
        self._skip -= position
        if self._drop_skipped:
            self._run = position
        return position

    def _plain(self, data: bytes, position: int) -> int:
        """Go on behind whole messages that execute what no rule listens to."""
        statements, portals, note = self._statements, self._portals, self._steps.append
        unpack, find, end = HEADER.unpack_from, data.find, len(data)
        names, units, unit = self._shared.rules.names, self._shared.units, self._shared.open_unit()
        while position + 5 <= end:
            kind, length = unpack(data, position)
            following = position + 1 + length
            if following > end or length < 4:  # noqa: PLR2004
                break
            if kind == _BIND:
                begin = find(b"\0", position + 5, following) + 1
                found = statements.get(data[begin : find(b"\0", begin, following)])
                if found is None or not names.isdisjoint(found.listeners):
                    break
                if unit is None:
                    unit = Unit(extended=True, closed=False)
                    units.append(unit)
                portals[data[position + 5 : begin - 1]] = (found, False)
                unit.asked.append(Asked(found))
                note(found.asked)
            elif kind == _EXECUTE:
                name = data[position + 5 : find(b"\0", position + 5, following)]
                bound = portals.get(name)
                if bound is None or bound[1]:
                    break
                portals[name] = (bound[0], True)
            elif kind == _SYNC and unit is not None:
                unit.closed, unit = True, None
            elif kind not in _UNNAMED:
                break
            self._fresh = False  # the server gets something of the unit
            position = following
        return position

    def _wait(self, kind: int, position: int, end: int) -> bool:
        """Return whether a message that is not whole waits for more of it."""
        if self._group >= 0 and end - self._group < _LONGEST:
            return True
        return kind in _NAMED and end - position < _DECIDABLE

    def _message(self, kind: int, data: bytes, position: int, stop: int) -> None:
        if self._dropping != "no":
            if kind == _SYNC:
                self._end_dropping(position, stop)
            return
        if kind == _BIND:
            self._bind(data, position, stop)
        elif kind == _EXECUTE:
            self._execute(data, position, stop)
        elif kind == _SYNC:
            self._release()
            unit = self._shared.open_unit()
            if unit is None:
                self._shared.units.append(Unit(extended=True, closed=True))
            else:
                unit.closed = True
        elif kind == _PARSE:
            self._parse(data, position, stop)
        elif kind == _QUERY:
            self._query(data, position, stop)
        else:
            self._seldom(kind, data, position, stop)

    def _seldom(self, kind: int, data: bytes, position: int, stop: int) -> None:
        if kind == _CALL:
            self._release()
            self._steps.append(_FUNCTION)
            self._shared.units.append(Unit(extended=False, closed=True, noted=_RETURNED))
        elif kind == _CLOSE:
            self._open()
            self._fresh = self._fresh and self._group >= 0
            statements = data[position + 5 : position + 6] == b"S"
            names = self._statements if statements else self._portals
            names.pop(data[position + 6 : stop - 1], None)
        elif kind == _FLUSH:
            self._release()

    def _release(self) -> None:
        """Let what waits go to the server."""
        self._group, self._fresh = -1, False

    def _open(self) -> Unit:
        unit = self._shared.open_unit()
        if unit is None:
            unit = Unit(extended=True, closed=False)
            self._shared.units.append(unit)
            self._fresh = True
        return unit

    def _parse(self, data: bytes, position: int, stop: int) -> None:
        self._open()
        begin = data.find(b"\0", position + 5, stop) + 1
        after = data.find(b"\0", begin, stop)
        sql = data[begin : after if after >= 0 else stop]
        self._statements[data[position + 5 : begin - 1]] = statement(sql[:LONGEST_SQL])
        if self._group < 0 and self._shared.rules.requests and self._run <= position:
            self._group = position

    def _bind(self, data: bytes, position: int, stop: int) -> None:
        begin = data.find(b"\0", position + 5, stop) + 1
        after = data.find(b"\0", begin, stop)
        found = self._statements.get(data[begin:after], _UNKNOWN)
        self._portals[data[position + 5 : begin - 1]] = (found, False)
        unit = self._open()
        if self._shared.rules.names.isdisjoint(found.listeners):
            # The way of nearly all statements.
            self._release()
            unit.asked.append(Asked(found))
            self._steps.append(found.asked)
        else:
            self._asked(found, data, position)

    def _execute(self, data: bytes, position: int, stop: int) -> None:
        name = data[position + 5 : data.find(b"\0", position + 5, stop)]
        found, executed = self._portals.get(name, (_UNKNOWN, False))
        if not executed:
            self._portals[name] = (found, True)
        else:
            # More rows of a portal are a request of their own.
            self._open()
            self._asked(found, data, position)

    def _asked(self, found: Statement, data: bytes, position: int) -> None:
        """Decide about a statement of the extended protocol."""
        asked = Asked(found)
        begin = self._group if self._group >= 0 else position
        rule = self._take(found, begin)
        if rule is None or isinstance(rule.action, Delay):
            self._release()
            self._open().asked.append(asked)
            self._delay(rule, data, begin)
            return
        self._forward(data, begin)
        self._run = len(data)
        if isinstance(rule.action, Answer):
            asked.answer = rule.action.frame
            self._open().asked.append(asked)
            self._steps.append(Forward(_failing(found), TO_SERVER))
            self._release()
            self._dropping = "before_sync"
        elif isinstance(rule.action, Break):
            self._reset()
        else:
            if self._fresh:
                self._shared.units.pop()
            self._dropping = "to_sync"
        self._group = -1

    def _query(self, data: bytes, position: int, stop: int) -> None:
        after = data.find(b"\0", position + 5, stop)
        found = statement(data[position + 5 : after if after >= 0 else stop][:LONGEST_SQL])
        self._release()
        rule = self._take(found, position)
        asked = Asked(found)
        if rule is None or isinstance(rule.action, Delay):
            self._simple(asked)
            self._delay(rule, data, position)
            return
        self._forward(data, position)
        self._run = stop
        if isinstance(rule.action, Answer):
            asked.answer = rule.action.frame
            self._simple(asked)
            self._steps.append(Forward(_failing(found) + SYNC, TO_SERVER))
        elif isinstance(rule.action, Break):
            self._reset()

    def _simple(self, asked: Asked) -> None:
        unit = self._shared.open_unit()
        if unit is None:
            unit = Unit(extended=asked.answer is not None, closed=True)
            self._shared.units.append(unit)
        unit.asked.append(asked)
        unit.closed = True

    def _take(self, found: Statement, begin: int) -> Rule | None:
        """Note the request, and return the rule that strikes it."""
        shared = self._shared
        rules = shared.rules.requests if self._run <= begin else ()
        rule = shared.rules.take(rules, found) if rules else None
        self._steps.append(struck(found.asked, rule))
        return rule

    def _delay(self, rule: Rule | None, data: bytes, begin: int) -> None:
        if rule is not None and isinstance(rule.action, Delay):
            self._forward(data, begin)
            self._steps.append(Hold(rule.action.seconds, TO_SERVER))

    def _reset(self) -> None:
        self._steps.append(Reset())
        self._shared.over = True

    def _forward(self, data: bytes, stop: int) -> None:
        """Forward what comes before that place."""
        if stop > self._run:
            whole = self._run == 0 and stop == len(data)
            self._steps.append(Forward(data if whole else data[self._run : stop], TO_SERVER))
            self._run = stop

    def _end_dropping(self, position: int, stop: int) -> None:
        if self._dropping == "before_sync":
            self._run = position
            unit = self._shared.open_unit()
            if unit is not None:
                unit.closed = True
        else:
            self._run = stop
        self._dropping = "no"

    def _leave(self, data: bytes, position: int) -> None:
        """Forward what may go, and keep the begin of what is not whole."""
        shared = self._shared
        held = self._group if self._group >= 0 else position
        holding = bool(shared.rules.requests) and self._run <= held and not shared.blind
        if self._dropping != "no" and not shared.blind:
            self._run = held  # the rest is looked at again, and dropped then
        else:
            self._forward(data, held if holding else len(data))
        if not shared.blind and held < len(data):
            self._tail, self._sent = data[held:], max(self._run - held, 0)


def _failing(found: Statement) -> bytes:
    """Return what fails at the server in the place of the statement.

    A COMMIT that fails has ended its transaction, any other statement has aborted it.
    """
    return ROLLBACK + WRONG_BIND if found.commits else WRONG_BIND
