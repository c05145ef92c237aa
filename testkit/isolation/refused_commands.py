"""On a database leased of somebody else's Redis: what cannot be isolated there is not sent.

Judged is what goes through redis-py, sync and async, before it is packed into bytes. What a Lua
script calls, the server alone sees.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from testkit.core.messages import TestkitError
from testkit.core.provided import canonical
from testkit.core.relayed import relayed
from testkit.isolation.libraries import replace_in
from testkit.isolation.server_commands import FIRST_WORDS, server_command

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.addresses import Address
    from testkit.isolation.libraries import Undo
    from testkit.isolation.refusals import Refusals

__all__ = ["RefusedCommands"]

__tracebackhide__ = True  # pytest ends the traceback of a refusal where redis-py was to send

_Judge = Callable[[Any, Sequence[Any]], None]
_Replacing = Callable[[Any], Any]


class RefusedCommands:
    """Raises TK332 for a command that reaches beyond the leased database of ``address``.

    And TK333 for a connection to another database of that server. Not judged are other servers, and
    the client named ``holder``, which holds the lease. ``refusals`` remembers each. Safe from any
    thread and event loop.
    """

    def __init__(self, address: Address, *, holder: str, refusals: Refusals) -> None:
        self._host, self._port = canonical(address.host), address.port
        self._shown = f"{address.host}:{address.port}"
        self._database = int(address.name)
        self._holder = holder
        self._refusals = refusals
        self._active = False
        self._undo: list[Undo] = []

    def begin(self) -> None:
        """Judge from now on, on connections that are open already as well."""
        self._active = True
        try:
            self._undo.extend(self._hooks())
        except (AttributeError, KeyError) as error:
            sys.stderr.write(
                f"\ntestkit: commands of redis-py {redis.__version__} are not judged on the leased "
                f"database, this version is not known ({error})\n"
            )

    def end(self) -> None:
        """Put redis-py back as it was."""
        self._active = False
        while self._undo:
            self._undo.pop()()

    def judge(self, connection: Any, command: Sequence[Any]) -> None:
        """Let a command be sent, or raise. Each command of the tests waits for this."""
        name = command[0]
        # As redis-py does: one string may hold several words.
        words = (name if isinstance(name, str) else _text(name)).split()
        if words and words[0].upper() in FIRST_WORDS:
            self._judge_words(connection, words, command)
        if connection.db != self._database:
            self.judge_connection(connection)

    def judge_connection(self, connection: Any) -> None:
        """Let a connection be used, or raise."""
        asked = str(connection.db or 0)
        if asked != str(self._database) and self._leads_here(connection):
            error = TestkitError(
                "TK333",
                asked=asked,
                place=self._shown,
                database=self._database,
                where=self._refusals.where,
            )
            raise self._refusals.noted(error)

    def _judge_words(self, connection: Any, words: Sequence[str], command: Sequence[Any]) -> None:
        # The longest that says what it does is COPY a b REPLACE DB 3.
        found = server_command([*words, *map(_text, command[1:6])], self._database)
        if found is not None and self._leads_here(connection):
            error = TestkitError(
                "TK332",
                command=found.name,
                reason=found.reason,
                place=self._shown,
                database=self._database,
                where=self._refusals.where,
            )
            raise self._refusals.noted(error)

    def _leads_here(self, connection: Any) -> bool:
        host, port = getattr(connection, "host", None), getattr(connection, "port", None)
        host, port = relayed.place(host, port)
        return (
            self._active
            and host is not None
            and str(port) == str(self._port)
            and canonical(str(host)) == self._host
            and getattr(connection, "client_name", None) != self._holder
            and _opens_sockets(type(connection))
        )

    def _hooks(self) -> Iterator[Undo]:
        one, several = _judging_one(self.judge), _judging_several(self.judge)
        connecting = _judging_connections(self.judge_connection)
        kind: Any = redis.connection.AbstractConnection
        yield replace_in(kind, "send_command", one)
        yield replace_in(kind, "pack_command", one)
        yield replace_in(kind, "pack_commands", several)
        yield replace_in(kind, _connect_of(kind), connecting)
        kind = redis.asyncio.connection.AbstractConnection
        # Here the others pass through it.
        yield replace_in(kind, "pack_command", one)
        yield replace_in(kind, _connect_of(kind), connecting)


def _judging_one(judge: _Judge) -> _Replacing:
    def replacing(original: Any) -> Any:
        @wraps(original)
        def judged(self: Any, *command: Any, **named: Any) -> Any:
            judge(self, command)
            return original(self, *command, **named)

        return judged

    return replacing


def _judging_several(judge: _Judge) -> _Replacing:
    def replacing(original: Any) -> Any:
        @wraps(original)
        def judged(self: Any, commands: Any) -> Any:
            commands = list(commands)
            for command in commands:
                judge(self, command)
            return original(self, commands)

        return judged

    return replacing


def _judging_connections(judge: Callable[[Any], None]) -> _Replacing:
    def replacing(original: Any) -> Any:
        @wraps(original)
        def judged(self: Any, *given: Any, **named: Any) -> Any:
            judge(self)
            return original(self, *given, **named)

        return judged

    return replacing


def _connect_of(kind: Any) -> str:
    """Return the method that every way of connecting passes; older versions have but one."""
    return "connect_check_health" if "connect_check_health" in vars(kind) else "connect"


def _opens_sockets(kind: type) -> bool:
    """Return whether it connects as redis-py does: one with a way of its own may be a fake."""
    owner = next((each for each in kind.__mro__ if "_connect" in vars(each)), kind)
    return owner.__module__.startswith("redis.")


def _text(word: object) -> str:
    if isinstance(word, (bytes, bytearray, memoryview)):
        return bytes(word).decode("latin-1")
    return str(word)
