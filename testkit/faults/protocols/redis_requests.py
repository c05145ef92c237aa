"""What a client sends to Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from testkit.faults.protocols import resp
from testkit.faults.protocols.redis_commands import KNOWN, RedisRequest, known
from testkit.faults.protocols.redis_session import DISCARD, EXEC_ABORTED
from testkit.faults.protocols.redis_shared import Shared, Uneven, struck
from testkit.faults.protocols.rules import Answer, Break, Delay
from testkit.faults.protocols.steps import TO_SERVER, Forward, Hold, Reset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testkit.faults.protocols.rules import Rule
    from testkit.faults.protocols.steps import Step

__all__ = ["Requests"]

_Found: TypeAlias = "list[tuple[bytes, int, int]]"
#: A longer command that no rule listens to is passed on as it comes.
_LONG: Final = 16 * 1024
_NO_RESP: Final = "bytes of the client that are no RESP"
_REPLICATION: Final = "a replica's stream"


class Requests:
    """The client's direction of a conversation; ``answer_at_once`` gives answers that are due."""

    def __init__(self, shared: Shared, answer_at_once: Callable[[list[Step]], None]) -> None:
        self._shared = shared
        self._answer_at_once = answer_at_once
        # Of a command that is not whole: what there is, how much is needed, how much went already.
        self._chunks: list[bytes] = []
        self._have = self._need = self._sent = 0
        self._long: resp.LongCommand | None = None
        self._long_dropped = False

    def feed(self, data: bytes) -> Sequence[Step]:
        """Return what to do about these bytes."""
        shared = self._shared
        steps: list[Step] = []
        if shared.over:
            return steps
        if self._long is not None and not shared.blind:
            data = self._go_on(data, steps)
        if shared.blind:
            kept = b"".join(self._chunks)[self._sent :]
            self._keep(b"", 0, 0)
            data = kept + data if kept else data
            return [*steps, Forward(data, TO_SERVER)] if data else steps
        if self._chunks and data:
            data = self._joined(data, steps)
        if data:
            self._commands(data, steps)
        return steps

    def _joined(self, data: bytes, steps: list[Step]) -> bytes:
        """Return what is there of a command once it may be whole."""
        self._chunks.append(data)
        self._have += len(data)
        if self._have >= self._need:
            return b"".join(self._chunks)
        if self._sent:  # what has begun to flow flows on
            steps.append(Forward(data, TO_SERVER))
            self._sent = self._have
        return b""

    def _commands(self, data: bytes, steps: list[Step]) -> None:
        shared = self._shared
        found: _Found = []
        stop, need = resp.scan(data, found)
        run, self._sent = self._sent, 0
        run = self._decide(data, found, run, steps)
        if not shared.over:
            self._rest(data, (run, stop, need), steps)

    def _decide(self, data: bytes, found: _Found, run: int, steps: list[Step]) -> int:
        """Decide about each command; return from where on bytes were not forwarded yet."""
        shared = self._shared
        remember, note, command_of = shared.pending.append, steps.append, KNOWN.get
        names, even = shared.rules.names, shared.session.even
        for word, start, stop in found:
            command = command_of(word) or known(word)
            if even and not command.careful and command.name not in names:
                # The way of nearly all commands.
                remember((command, data, start, None))
                note(command.asked)
            elif word:
                run = self._one(RedisRequest(command, data, start), stop, run, steps)
                even = shared.session.even
                if shared.over or shared.blind:
                    break
        return run

    def _one(self, request: RedisRequest, stop: int, run: int, steps: list[Step]) -> int:
        shared = self._shared
        # A command of which some is on its way cannot be struck any more.
        gone = request.start < run
        rule = None if gone else shared.rules.take(shared.rules.requests, request)
        steps.append(struck(request.command.asked, rule))
        if rule is None and (gone or not shared.session.must_fail(request)):
            self._expect(request, steps)
            return run
        if request.start > run:
            steps.append(Forward(request.frame[run : request.start], TO_SERVER))
        return stop if self._strike(rule, request, steps) else request.start

    def _expect(self, request: RedisRequest, steps: list[Step]) -> None:
        """Remember what answers a request that the server gets."""
        shared, entry = self._shared, None
        if request.command.careful or not shared.session.even:
            replies = shared.session.replies_to(request)
            if shared.session.unreadable:
                shared.give_up(_REPLICATION, steps)
            if replies == 0:
                return
            entry = Uneven(request, replies=replies) if request.command.careful else None
        shared.pending.append((request.command, request.frame, request.start, entry))

    def _strike(self, rule: Rule | None, request: RedisRequest, steps: list[Step]) -> bool:
        """Do what a rule or the transaction wants; return whether the server does not get it."""
        shared = self._shared
        action = rule.action if rule else Answer(EXEC_ABORTED)
        if isinstance(action, Answer):
            self._answer(action.frame, request, steps)
        elif isinstance(action, Break):
            steps.append(Reset())
            shared.over = True
        elif isinstance(action, Delay):
            steps.append(Hold(action.seconds, TO_SERVER))
            if not shared.session.must_fail(request):
                self._expect(request, steps)
                return False
            self._answer(EXEC_ABORTED, request, steps)
        return True

    def _answer(self, frame: bytes, request: RedisRequest, steps: list[Step]) -> None:
        shared = self._shared
        entry = Uneven(request, local=frame)
        if request.command.name == "EXEC" and shared.session.in_transaction:
            # The transaction is over for the client: it must be for the server.
            steps.append(Forward(DISCARD, TO_SERVER))
            if shared.session.replies_to(request) == 0:
                return
            entry = Uneven(request, instead=frame)
        elif not shared.session.answered():
            return
        shared.pending.append((request.command, request.frame, request.start, entry))
        self._answer_at_once(steps)

    def _rest(self, data: bytes, where: tuple[int, int, int], steps: list[Step]) -> None:
        """Deal with the bytes behind the last whole command."""
        run, stop, need = where
        if need == resp.GARBAGE:
            self._shared.give_up(_NO_RESP, steps)
        if need > resp.LONGEST or (need > _LONG and not self._wanted(data, stop)):
            self._begin_long(data, run, stop, steps)
            return
        shared = self._shared
        listening = bool(shared.rules.requests) or shared.session.spoilt
        holding = listening and run <= stop and not shared.blind
        end = stop if holding else len(data)
        if end > run:
            steps.append(Forward(data[run:end] if end - run < len(data) else data, TO_SERVER))
        if not self._shared.blind and stop < len(data):
            self._keep(data[stop:], need, max(end, run) - stop)
        else:
            self._keep(b"", 0, 0)

    def _wanted(self, data: bytes, start: int) -> bool:
        """Return whether the whole of a command is to be seen before it is passed on."""
        word = resp.first_word(data, start)
        names = self._shared.rules.names
        if not word or None in names or not self._shared.session.even:
            return True
        command = known(word)
        return command.careful or command.name in names

    def _keep(self, rest: bytes, need: int, sent: int) -> None:
        self._chunks = [rest] if rest else []
        self._have, self._need, self._sent = len(rest), need, sent

    def _begin_long(self, data: bytes, run: int, start: int, steps: list[Step]) -> None:
        """Decide about a long command by its beginning."""
        self._keep(b"", 0, 0)
        self._long, self._long_dropped = resp.LongCommand(), False
        self._long.feed(data[start:])
        word, before = resp.first_word(data, start) or b"?", run
        run = self._decide(data, [(word, start, len(data))], run, steps)
        self._long_dropped = before <= start and run == len(data)
        if len(data) > run and not self._shared.over:
            steps.append(Forward(data[run:], TO_SERVER))

    def _go_on(self, data: bytes, steps: list[Step]) -> bytes:
        """Let a long command go on; return what follows it."""
        assert self._long is not None
        taken = self._long.feed(data)
        if taken and not self._long_dropped:
            steps.append(Forward(data[:taken], TO_SERVER))
        if self._long.garbage:
            self._shared.give_up(_NO_RESP, steps)
        if self._long.garbage or self._long.ended:
            self._long = None
        return data[taken:]
