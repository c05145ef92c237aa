"""The Redis of this process, as faults disturb it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import redis

from testkit.core.messages import TestkitError
from testkit.isolation.redis_link import Link
from testkit.servers.redis import start_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.servers import Data
    from testkit.servers.redis import RedisServer

__all__ = ["RedisProcess"]

_DUMP: Final = "dump.rdb"
_SECONDS: Final = 5.0  # that it gets to write its data down
# Longer than it may take: nothing may be acknowledged between the file and the end.
_NO_WRITES: Final = ("CLIENT", "PAUSE", int(_SECONDS * 2000), "WRITE")


class RedisProcess:
    """A program that testkit started; ``started`` is called when it runs again."""

    def __init__(self, server: RedisServer, started: Callable[[], None]) -> None:
        assert server.kept is not None
        self._server, self._kept, self._started = server, server.kept, started

    @property
    def place(self) -> str:
        """Host and port."""
        return f"{self._server.host}:{self._server.port}"

    def pause(self) -> None:
        """Stop it where it stands, with what it forked."""
        self._kept.tell("pause")

    def resume(self) -> None:
        """Let it go on."""
        self._kept.tell("resume")

    def kill(self, data: Data) -> None:
        """End it by SIGKILL, the data in a file before where they are kept. Raises TK643."""
        dump = self._kept.directory / _DUMP
        dump.unlink(missing_ok=True)  # a test may have saved
        if data == "kept":
            self._save()
        self._kept.tell("kill")
        if data == "lost":
            dump.unlink(missing_ok=True)  # one that was being written

    def start(self, _data: Data) -> None:
        """Start it again; it reads the file, if there is one. Raises TK101."""
        start_again(self._server)
        (self._kept.directory / _DUMP).unlink(missing_ok=True)
        self._started()

    def _save(self) -> None:
        link = Link(self._server.address, own=True, seconds=_SECONDS)
        try:
            link.do(_NO_WRITES, ("SAVE",))
        except (redis.RedisError, TestkitError) as error:
            with contextlib.suppress(redis.RedisError, TestkitError):
                link.do(("CLIENT", "UNPAUSE"))
            reason = " ".join(str(error).split())
            raise TestkitError("TK643", server="Redis", reason=reason, place=self.place) from error
        finally:
            link.close()
