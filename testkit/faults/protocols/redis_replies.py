"""What Redis sends to a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.faults.protocols import resp
from testkit.faults.protocols.redis_commands import RedisRequest
from testkit.faults.protocols.redis_shared import Shared, Uneven, struck
from testkit.faults.protocols.rules import Break, Cut, Delay, Drop
from testkit.faults.protocols.steps import TO_CLIENT, Close, Forward, Hold, Noted, Reset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.faults.protocols.rules import Rule
    from testkit.faults.protocols.steps import Step

__all__ = ["Replies"]

_UNASKED: Final = Noted("reply to no request", None, "reply")
_NO_RESP: Final = "bytes of the server that are no RESP"
_LINES: Final = frozenset(b"+-:_#,(")


class Replies:
    """The server's direction of a conversation."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._reader = resp.ReplyReader()
        # The begin of a header that is not whole, and how much of it went already.
        self._tail = b""
        self._sent = 0
        # Of the reply that is passing: whose it is, and what becomes of it.
        self._current: Uneven | None = None
        self._swallowing = False
        self._cut: int | None = None

    def feed(self, data: bytes) -> Sequence[Step]:
        """Return what to do about these bytes."""
        shared = self._shared
        steps: list[Step] = []
        if shared.over:
            return steps
        run, position = self._sent, 0
        data = self._tail + data if self._tail else data
        self._tail, self._sent = b"", 0
        while position < len(data) and not shared.blind:
            if not self._reader.busy:
                if not shared.session.listening:
                    position = self._plain(data, position, steps)
                    run = self._due(data, run, position, steps)
                    if position == len(data):
                        break
                begun = self._begin(data, run, position, steps)
                if begun is None:
                    break
                run = begun
                if shared.over:
                    return steps
            end = self._reader.advance(data, position)
            if end < 0:
                shared.give_up(_NO_RESP, steps)
                break
            run, position = self._pass(data, run, end, steps), end
            if shared.over:
                return steps
            if self._reader.busy:
                break
            run = self._end(data, run, position, steps)
            if shared.over:
                return steps
        self._leave(data, run, position, steps)
        return steps

    def _plain(self, data: bytes, position: int, steps: list[Step]) -> int:
        """Go on behind the whole replies that nobody wants to know more about."""
        pending, find, end, note = self._shared.pending, data.find, len(data), steps.append
        names = self._shared.rules.names
        while position < end and pending:
            command, _, _, uneven = pending[0]
            kind = data[position]
            if uneven is not None or command.name in names:
                break
            if kind in _LINES:
                following = find(b"\n", position) + 1
                if not following:
                    break
            elif kind == 36:  # noqa: PLR2004  # $
                eol = find(b"\r\n", position, position + 32)
                size = data[position + 1 : eol]
                if eol < 0 or not size.isdigit():
                    break
                following = eol + 4 + int(size)
                if following > end:
                    break
            else:
                break
            position = following
            pending.popleft()
            note(command.answered)
        return position

    def _begin(self, data: bytes, run: int, position: int, steps: list[Step]) -> int | None:
        """Decide about a frame that begins there; None: too little of it is here.

        Return from where on bytes were not forwarded yet.
        """
        shared = self._shared
        answers = shared.session.is_reply(data, position)
        if answers is None:
            return None
        self._swallowing = False
        if not answers:
            self._current = None
            return run
        if not shared.pending:
            self._current = None
            steps.append(_UNASKED)
            return run
        command, frame, start, uneven = shared.pending[0]
        request = uneven.request if uneven else RedisRequest(command, frame, start)
        entry = self._current = uneven or Uneven(request)
        first = not entry.kind
        if first:
            self._cut = None
            rules = () if run > position else shared.rules.replies
            entry.rule = shared.rules.take(rules, request)
            entry.kind = data[position]
            entry.replies = shared.session.replies_in_all(request, entry.kind, entry.replies)
            steps.append(struck(command.answered, entry.rule))
        if entry.rule is None and entry.instead is None:
            return run
        if position > run:
            steps.append(Forward(data[run:position], TO_CLIENT))
        self._strike(entry, steps, first=first)
        return max(run, position)

    def _strike(self, entry: Uneven, steps: list[Step], *, first: bool) -> None:
        action = entry.rule.action if entry.rule else None
        self._swallowing = entry.instead is not None or isinstance(action, Drop)
        if isinstance(action, Drop):
            entry.instead = None
        elif isinstance(action, Cut) and first:
            self._cut = action.after
        elif isinstance(action, Delay) and first:
            steps.append(Hold(action.seconds, TO_CLIENT))
        elif isinstance(action, Break):
            steps.append(Reset())
            self._shared.over = True

    def _pass(self, data: bytes, run: int, end: int, steps: list[Step]) -> int:
        """Let the frame flow up to there, or not; return from where on bytes did not flow yet."""
        if self._swallowing:
            return end
        if self._cut is None:
            return run
        self._cut_off(data[run:end], steps)
        return end

    def _cut_off(self, data: bytes, steps: list[Step]) -> None:
        assert self._cut is not None
        if self._cut and data:
            steps.append(Forward(data[: self._cut], TO_CLIENT))
        self._cut -= min(self._cut, len(data))
        if not self._cut:
            steps.append(Close())
            self._shared.over = True

    def _end(self, data: bytes, run: int, position: int, steps: list[Step]) -> int:
        """Take the reply off those that are awaited; return from where on bytes did not flow."""
        entry, self._current = self._current, None
        if entry is None:
            return run
        assert entry.replies is not None
        entry.replies -= 1
        if entry.replies:
            self._current = None
            return run
        self._shared.pending.popleft()
        if entry.request.command.careful:
            self._shared.session.replied(entry.request, entry.kind)
        if entry.instead is not None:
            if self._cut is None:
                steps.append(Forward(entry.instead, TO_CLIENT))
            else:
                self._cut_off(entry.instead, steps)
        if self._cut is not None and not self._shared.over:
            steps.append(Close())  # the reply was shorter than what it may be
            self._shared.over = True
        self._swallowing = False
        return self._due(data, run, position, steps)

    def _due(self, data: bytes, run: int, position: int, steps: list[Step]) -> int:
        """Give the answers whose turn it is, behind the bytes up to there."""
        pending = self._shared.pending
        if not pending or pending[0][3] is None or pending[0][3].local is None:
            return run
        if position > run:
            steps.append(Forward(data[run:position], TO_CLIENT))
            run = position
        self.answer_at_once(steps)
        return run

    def answer_at_once(self, steps: list[Step]) -> None:
        """Give the answers that no reply of the server stands before."""
        pending = self._shared.pending
        while pending and (uneven := pending[0][3]) is not None and uneven.local is not None:
            steps += [uneven.request.command.answered, Forward(uneven.local, TO_CLIENT)]
            pending.popleft()

    def _leave(self, data: bytes, run: int, position: int, steps: list[Step]) -> None:
        """Forward what may go, and keep the begin of a header."""
        shared = self._shared
        begins = not self._reader.busy
        awaited = begins and bool(shared.pending) and shared.pending[0][3] is not None
        holding = self._swallowing or self._cut is not None or awaited
        holding = (holding or (begins and bool(shared.rules.replies))) and run <= position
        stop = position if holding and not shared.blind else len(data)
        if stop > run:
            steps.append(Forward(data[run:stop] if stop - run < len(data) else data, TO_CLIENT))
        if not shared.blind and position < len(data):
            self._tail, self._sent = data[position:], max(stop, run) - position
