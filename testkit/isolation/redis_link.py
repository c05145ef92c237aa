"""testkit's own connection to a Redis, with a user of its own that no test logs in as."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoPermissionError
from redis.retry import Retry

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.core.addresses import Address

__all__ = ["OWN_USER", "Command", "Link", "Packed"]

#: Who testkit is on a server of its own; what a test does to ``default`` does not reach it.
OWN_USER: Final = "testkit"
# A CLIENT KILL that waits for the end of a pause ends the connection that ends the pause.
_ATTEMPTS: Final = 4

Command = tuple[str | bytes | int, ...]


class Packed:
    """Commands as they are sent: to pack those that are sent often takes longer than to send."""

    def __init__(self, commands: Sequence[Command]) -> None:
        self.count = len(commands)
        parts = []
        for command in commands:
            parts.append(b"*%d\r\n" % len(command))
            for word in command:
                data = word if isinstance(word, bytes) else str(word).encode()
                parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
        self.data = b"".join(parts)


class Link:
    """Sends many commands at once, and answers what each answered; not safe from two threads.

    A pipeline of redis-py would take three times as long as the server does. A connection that a
    test ended is made again. With ``own`` it is that of ``OWN_USER``, who is made where there is
    none. A server that lets us wait for more than ``seconds`` is TK310.
    """

    def __init__(self, address: Address, *, own: bool, seconds: float = 10) -> None:
        self._address = address
        self._seconds = seconds
        self._password = secrets.token_hex(16) if own else None
        self._connection: Any = None
        self._opened = 0
        # Our user is not there yet, or has lost rights. To ask it would be noted as a refusal.
        self._unfit = True

    @property
    def opened(self) -> int:
        """Return how many times it was opened: of what came before, something may be missing."""
        return self._opened

    def ask(self, commands: Sequence[Command] | Packed) -> list[Any]:
        """Return each command's answer, an error too; bytes are not decoded.

        After the end of the connection, or where our user lost a right, all of them are sent again.
        """
        packed = commands if isinstance(commands, Packed) else Packed(commands)
        for _ in range(_ATTEMPTS - 1):
            with contextlib.suppress(redis.ConnectionError):
                answers = self._sent(packed)
                self._unfit = any(isinstance(each, NoPermissionError) for each in answers)
                if not self._unfit:
                    return answers
            self.close()
        return self._sent(packed)

    def do(self, *commands: Command) -> list[Any]:
        """Return each command's answer; raise the first error among them."""
        answers = self.ask(commands)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers

    @property
    def place(self) -> str:
        """Host and port."""
        return f"{self._address.host}:{self._address.port}"

    def trouble(self, what: str, reason: object) -> TestkitError:
        """Return TK310 for what could not be put back on this server."""
        return TestkitError("TK310", what=what, reason=reason, place=self.place)

    def close(self) -> None:
        """Close the connection; the next command opens another one."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _sent(self, packed: Packed) -> list[Any]:
        try:
            if self._connection is None:
                self._connection = self._open()
                self._opened += 1
            self._connection.send_packed_command([packed.data])
            return [self._read() for _ in range(packed.count)]
        except redis.TimeoutError as error:
            self.close()
            raise self.trouble(
                "all of it", f"no answer for {self._seconds:g} s (CLIENT PAUSE? DEBUG SLEEP?)"
            ) from error

    def _read(self) -> Any:
        try:
            return self._connection.read_response(disable_decoding=True)
        except redis.ResponseError as error:
            return error

    def _open(self) -> Any:
        if self._password is None:
            return self._connected(self._address)
        own = dataclasses.replace(self._address, user=OWN_USER, password=self._password)
        if not self._unfit:
            with contextlib.suppress(redis.AuthenticationError, NoPermissionError):
                return self._connected(own)
        try:
            opened = self._connected(self._address)
            rights = ("reset", "on", f">{self._password}", "allkeys", "allchannels", "allcommands")
            for command in (
                ("ACL", "SETUSER", OWN_USER, *rights),
                ("AUTH", OWN_USER, self._password),
            ):
                opened.send_command(*command)
                opened.read_response()
        except (redis.AuthenticationError, NoPermissionError) as error:
            raise self.trouble("all of it", f"testkit is locked out ({error})") from error
        self._unfit = False
        return opened

    def _connected(self, address: Address) -> Any:
        connection: Any = redis.ConnectionPool.from_url(
            address.url(),
            protocol=2,
            socket_timeout=self._seconds,
            retry=Retry(NoBackoff(), 0),
            client_name="testkit",
        ).make_connection()
        connection.connect()
        return connection
