"""What a connection to Redis is in: a transaction, subscriptions, a mode of reply, a version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.faults.protocols.resp import first_word

if TYPE_CHECKING:
    from testkit.faults.protocols.redis_commands import RedisRequest

__all__ = ["DISCARD", "EXEC_ABORTED", "Session"]

#: What the server gets in the place of an EXEC that has to fail, and what the client gets.
DISCARD: Final = b"*1\r\n$7\r\nDISCARD\r\n"
EXEC_ABORTED: Final = b"-EXECABORT Transaction discarded because of previous errors.\r\n"

_SUBSCRIBE: Final = ("SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE")
_UNSUBSCRIBE: Final = ("UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE")
_CONFIRMED: Final = frozenset(name.lower().encode() for name in _SUBSCRIBE + _UNSUBSCRIBE)
_MESSAGES: Final = frozenset({b"message", b"pmessage", b"smessage"})
_LINE_OF_TEXT: Final = ord("+")
_ERROR: Final = ord("-")
_ARRAY: Final = ord("*")
_PUSH: Final = ord(">")


class Session:
    """Follows the commands that change how replies come.

    ``even``: each command gets one reply. ``listening``: there is more to the server's frames than
    replies and RESP3's pushes. ``spoilt``: the transaction's EXEC must fail. ``unreadable``: what
    follows is no RESP (replication).
    """

    def __init__(self) -> None:
        self.even = True
        self.listening = self.unreadable = False
        self.in_transaction = False
        self.spoilt = False
        self._silent = self._skipping = False
        self._version = 2
        self._monitoring = False
        self._channels: dict[str, set[bytes]] = {name: set() for name in _SUBSCRIBE}

    # Of requests.

    def replies_to(self, request: RedisRequest) -> int | None:
        """Return how many replies the server gives to it; None: that shows when they come."""
        name = request.command.name
        if name in {"SYNC", "PSYNC"}:
            self.unreadable = True
            return 0
        if name == "MULTI":
            self.in_transaction = True
        elif name in {"EXEC", "DISCARD", "RESET"}:
            self.in_transaction = self.spoilt = False
        elif name == "CLIENT REPLY":
            self._mode(request.arguments[2:3])
        skipped, self._skipping = self._skipping and name != "CLIENT REPLY", False
        if name == "CLIENT REPLY" and request.arguments[2:3] and not self._silent:
            self._skipping = request.arguments[2].upper() == b"SKIP"
        self._weigh()
        if self._silent or skipped or self._skipping:
            return 0
        if name in _SUBSCRIBE:
            return max(1, len(request.arguments) - 1)
        if name in _UNSUBSCRIBE:
            return len(request.arguments) - 1 or None
        return 1

    def _mode(self, word: list[bytes]) -> None:
        if word:
            mode = word[0].upper()
            self._silent = mode == b"OFF" or (self._silent and mode != b"ON")

    def answered(self) -> bool:
        """Take in that an error answers the next command; return whether the client hears it."""
        heard = not (self._silent or self._skipping)
        self._skipping = False
        self.spoilt = self.in_transaction
        self._weigh()
        return heard

    def must_fail(self, request: RedisRequest) -> bool:
        """Return whether it is the EXEC of a transaction in which an error was answered."""
        return self.spoilt and request.command.name == "EXEC"

    def _weigh(self) -> None:
        self.even = not (self._silent or self._skipping or self.spoilt)

    # Of replies.

    def is_reply(self, data: bytes, position: int) -> bool | None:
        """Return whether a frame that begins there answers a command; None: too little is there."""
        kind = data[position]
        if kind == _PUSH:
            word = first_word(data, position)
            return None if word is None else word in _CONFIRMED
        if kind == _LINE_OF_TEXT and self._monitoring:
            following = data[position + 1 : position + 2]
            return not following.isdigit() if following else None
        if kind == _ARRAY and self.listening and self._version == 2:  # noqa: PLR2004  # RESP2
            word = first_word(data, position)
            return None if word is None else word not in _MESSAGES
        return True

    def replies_in_all(self, request: RedisRequest, kind: int, expected: int | None) -> int:
        """Return how many replies there are, now that the first has come."""
        name = request.command.name
        if kind in {_ERROR, _LINE_OF_TEXT}:
            return 1
        if expected is None:
            return max(1, len(self._channels[_SUBSCRIBE[_UNSUBSCRIBE.index(name)]]))
        return expected

    def replied(self, request: RedisRequest, kind: int) -> None:
        """Take in that a command was answered; ``kind`` is the first byte of the reply."""
        name = request.command.name
        if kind == _ERROR:
            return
        if name == "HELLO" and kind != _LINE_OF_TEXT and request.arguments[1:2]:
            self._version = int(request.arguments[1]) if request.arguments[1].isdigit() else 2
        elif name == "MONITOR":
            self._monitoring = True
        elif name == "RESET":
            self._version, self._monitoring = 2, False
            for channels in self._channels.values():
                channels.clear()
        elif name in _SUBSCRIBE and kind != _LINE_OF_TEXT:
            self._channels[name] |= set(request.arguments[1:])
        elif name in _UNSUBSCRIBE and kind != _LINE_OF_TEXT:
            channels = self._channels[_SUBSCRIBE[_UNSUBSCRIBE.index(name)]]
            channels -= set(request.arguments[1:]) or set(channels)
        self.listening = self._monitoring or any(self._channels.values())
