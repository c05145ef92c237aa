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
        self._run = 0  # from where on bytes were not forwarded yet
        self._steps: list[Step] = []

    def feed(self, data: bytes) -> Sequence[Step]:
        """Return what to do about these bytes."""
        steps = self._steps = []
        if self._shared.over:
            return steps
        self._run, position = self._sent, 0
        data = self._tail + data if self._tail else data
        self._tail, self._sent = b"", 0
        goes_on = True
        while goes_on and position < len(data) and self._reads:
            position, goes_on = self._frame(data, position)
        if not self._shared.over:
            self._leave(data, position)
        return steps

    @property
    def _reads(self) -> bool:
        return not (self._shared.over or self._shared.blind)

    def _frame(self, data: bytes, position: int) -> tuple[int, bool]:
        """Read on from there; return how far, and whether there may be more to read."""
        if not self._reader.busy:
            if not self._shared.session.listening:
                position = self._plain(data, position)
                self._due(data, position)
            if position == len(data) or not self._begin(data, position) or not self._reads:
                return position, False
        end = self._reader.advance(data, position)
        if end < 0:
            self._shared.give_up(_NO_RESP, self._steps)
            return position, False
        self._pass(data, end)
        if self._reads and not self._reader.busy:
            self._end(data, end)
        return end, not self._reader.busy

    def _plain(self, data: bytes, position: int) -> int:
        """Go on behind the whole replies that nobody wants to know more about."""
        pending, find, end, note = self._shared.pending, data.find, len(data), self._steps.append
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

    def _begin(self, data: bytes, position: int) -> bool:
        """Decide about a frame that begins there; return whether enough of it is here."""
        shared = self._shared
        answers = shared.session.is_reply(data, position)
        if answers is None:
            return False
        self._swallowing, self._current = False, None
        if answers and shared.pending:
            self._decide(data, position)
        elif answers:
            self._steps.append(_UNASKED)
        return True

    def _decide(self, data: bytes, position: int) -> None:
        shared = self._shared
        command, frame, start, uneven = shared.pending[0]
        request = uneven.request if uneven else RedisRequest(command, frame, start)
        entry = self._current = uneven or Uneven(request)
        first = not entry.kind
        if first:
            # A reply of which some is on its way cannot be struck any more.
            rules = () if self._run > position else shared.rules.replies
            entry.rule = shared.rules.take(rules, request)
            entry.kind = data[position]
            entry.replies = shared.session.replies_in_all(request, entry.kind, entry.replies)
            self._steps.append(struck(command.answered, entry.rule))
        if entry.rule is not None or entry.instead is not None:
            self._forward(data, position)
            self._strike(entry, first=first)

    def _strike(self, entry: Uneven, *, first: bool) -> None:
        action = entry.rule.action if entry.rule else None
        self._swallowing = entry.instead is not None or isinstance(action, Drop)
        if isinstance(action, Drop):
            entry.instead = None
        elif isinstance(action, Cut) and first:
            self._cut = action.after
        elif isinstance(action, Delay) and first:
            self._steps.append(Hold(action.seconds, TO_CLIENT))
        elif isinstance(action, Break):
            self._steps.append(Reset())
            self._shared.over = True

    def _pass(self, data: bytes, end: int) -> None:
        """Let the frame flow up to there, or not."""
        if self._swallowing:
            self._run = end
        elif self._cut is not None:
            self._cut_off(data[self._run : end])
            self._run = end

    def _cut_off(self, data: bytes) -> None:
        assert self._cut is not None
        if self._cut and data:
            self._steps.append(Forward(data[: self._cut], TO_CLIENT))
        self._cut -= min(self._cut, len(data))
        if not self._cut:
            self._close()

    def _close(self) -> None:
        self._steps.append(Close())
        self._shared.over = True

    def _end(self, data: bytes, position: int) -> None:
        """Take the reply off those that are awaited."""
        entry, self._current = self._current, None
        if entry is None:
            return
        assert entry.replies is not None
        entry.replies -= 1
        if entry.replies:
            return
        self._shared.pending.popleft()
        if entry.request.command.careful:
            self._shared.session.replied(entry.request, entry.kind)
        if entry.instead is not None and self._cut is None:
            self._steps.append(Forward(entry.instead, TO_CLIENT))
        elif entry.instead is not None:
            self._cut_off(entry.instead)
        if self._cut:
            self._close()  # the reply was shorter than what may pass
        self._swallowing = False
        if not self._shared.over:
            self._due(data, position)

    def _due(self, data: bytes, position: int) -> None:
        """Give the answers whose turn it is, behind the bytes up to there."""
        pending = self._shared.pending
        if pending and (uneven := pending[0][3]) is not None and uneven.local is not None:
            self._forward(data, position)
            self.answer_at_once(self._steps)

    def answer_at_once(self, steps: list[Step]) -> None:
        """Give the answers that no reply of the server stands before."""
        pending = self._shared.pending
        while pending and (uneven := pending[0][3]) is not None and uneven.local is not None:
            steps += [uneven.request.command.answered, Forward(uneven.local, TO_CLIENT)]
            pending.popleft()

    def _forward(self, data: bytes, stop: int) -> None:
        """Forward what comes before that place."""
        if stop > self._run:
            whole = self._run == 0 and stop == len(data)
            self._steps.append(Forward(data if whole else data[self._run : stop], TO_CLIENT))
            self._run = stop

    def _leave(self, data: bytes, position: int) -> None:
        """Forward what may go, and keep the begin of a header."""
        shared = self._shared
        begins = not self._reader.busy
        uneven = shared.pending[0][3] if begins and shared.pending else None
        replaced = uneven is not None and uneven.instead is not None
        holding = self._swallowing or self._cut is not None or replaced
        holding = holding or (begins and bool(shared.rules.replies))
        if shared.blind or not holding or self._run > position:
            self._forward(data, len(data))
        else:
            self._forward(data, position)
        if not shared.blind and position < len(data):
            self._tail, self._sent = data[position:], max(self._run - position, 0)
