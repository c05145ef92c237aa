"""A prompt on a Redis for machines without a client: the wheel of Valkey brings none.

It speaks RESP2 itself. redis-py would not do: it hides whether a reply was a status or a text, and
cuts the code off an error, and ``redis-cli`` shows both.
"""

from __future__ import annotations

import shlex
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Conversation", "RedisFault", "Status", "converse", "raw", "shown"]

_CONNECT_SECONDS: Final = 10
_QUITS: Final = frozenset({"quit", "exit"})
# After these the server speaks without being asked.
_ENDLESS: Final = frozenset({"subscribe", "psubscribe", "ssubscribe", "monitor"})
_ESCAPES: Final = (r"\\", r"\"", r"\n", r"\r", r"\t", r"\a", r"\b")
_ESCAPED: Final = dict(zip(b'\\"\n\r\t\a\b', _ESCAPES, strict=True))


@dataclass(frozen=True, slots=True)
class Status:
    """A reply such as ``OK``, which is no text of the user's."""

    text: str


@dataclass(frozen=True, slots=True)
class RedisFault:
    """A reply that says what was wrong; its first word is a code."""

    text: str


Reply = Status | RedisFault | int | bytes | None | list["Reply"]


class Conversation:
    """One connection to a Redis. Raises OSError where it cannot be had or ends."""

    def __init__(
        self, host: str, port: int, password: str, *, user: str = "default", database: int = 0
    ) -> None:
        self._socket = socket.create_connection((host, port), timeout=_CONNECT_SECONDS)
        self._stream: BinaryIO = self._socket.makefile("rb")
        try:
            if password:
                self._greet("AUTH", user or "default", password)
            if database:
                self._greet("SELECT", str(database))
        except BaseException:
            self.close()
            raise
        self._socket.settimeout(None)  # a blocking command may take its time

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection. Safe to call twice."""
        self._stream.close()
        self._socket.close()

    def ask(self, *words: str) -> Reply:
        """Send one command and return its reply."""
        parts = [word.encode("utf-8", "surrogateescape") for word in words]
        framed = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%b" % (len(parts), framed))
        return self.hear()

    def _greet(self, *words: str) -> None:
        answer = self.ask(*words)
        if isinstance(answer, RedisFault):
            raise PermissionError(answer.text)

    def hear(self) -> Reply:
        """Return the next reply."""
        line = self._stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        match kind:
            case b"+":
                return Status(rest.decode(errors="replace"))
            case b"-":
                return RedisFault(rest.decode(errors="replace"))
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else self._stream.read(int(rest) + 2)[:-2]
            case b"*":
                return None if rest == b"-1" else [self.hear() for _ in range(int(rest))]
        raise OSError(f"this is no Redis: it answered {line[:40]!r}")


def converse(
    conversation: Conversation,
    lines: Iterable[str],
    *,
    say: Callable[[str], None],
    words_for: Callable[[Reply], str],
) -> None:
    """Send each line as a command and say its reply; return at the end of the lines or at quit.

    A line is split as a shell would. After SUBSCRIBE and MONITOR everything that comes is said,
    until the connection or the process ends.
    """
    for line in lines:
        try:
            words = shlex.split(line)
        except ValueError:
            say("Invalid argument(s)")
            continue
        if not words:
            continue
        if words[0].lower() in _QUITS:
            return
        say(words_for(conversation.ask(*words)))
        while words[0].lower() in _ENDLESS:
            say(words_for(conversation.hear()))


def shown(reply: Reply, indent: str = "") -> str:
    """Return a reply as ``redis-cli`` shows it in a terminal."""
    match reply:
        case None:
            text = "(nil)"
        case Status(word):
            text = _printable(word)
        case RedisFault(words):
            text = f"(error) {_printable(words)}"
        case int():
            text = f"(integer) {reply}"
        case bytes():
            text = f'"{"".join(map(_quoted, reply))}"'
        case []:
            text = "(empty array)"
        case list():
            width = len(str(len(reply)))
            margin = indent + " " * (width + 2)
            parts = [shown(part, margin) for part in reply]
            numbered = (f"{number:>{width}}) {part}" for number, part in enumerate(parts, start=1))
            text = f"\n{indent}".join(numbered)
    return text


def raw(reply: Reply) -> str:
    """Return a reply as ``redis-cli`` writes it into a pipe; bytes stay what they are."""
    match reply:
        case None:
            return ""
        case Status(text):
            return text
        case RedisFault(text):
            return f"{text}\n"
        case int():
            return str(reply)
        case bytes():
            return reply.decode("utf-8", "surrogateescape")
    return "\n".join(map(raw, reply))


def _quoted(byte: int) -> str:
    if byte in _ESCAPED:
        return _ESCAPED[byte]
    return chr(byte) if chr(byte).isascii() and chr(byte).isprintable() else f"\\x{byte:02x}"


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)
