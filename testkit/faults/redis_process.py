"""The Redis of this process, as faults disturb it."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.core.messages import TestkitError
from testkit.faults.kept_process import KeptProcess
from testkit.isolation.redis_link import Link
from testkit.servers.programs.launch import not_ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.kept_process import Keeper
    from testkit.faults.servers import Data
    from testkit.servers.redis import RedisServer

__all__ = ["RedisProcess"]

_SECONDS: Final = 5.0  # that it gets to write its data down
# Longer than it may take: nothing may be acknowledged between the file and the end.
_NO_WRITES: Final = ("CLIENT", "PAUSE", int(_SECONDS * 2000), "WRITE")


_START_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.01


class RedisProcess(KeptProcess):
    """A Redis that testkit started, kept by ``keeper``; ``started`` is called when it runs again.

    ``forget`` removes the file in which it has saved its data, if there is one.
    """

    def __init__(
        self,
        server: RedisServer,
        keeper: Keeper,
        forget: Callable[[], None],
        started: Callable[[], None],
    ) -> None:
        super().__init__(server, keeper)
        self._server = server
        self._forget, self._started = forget, started

    def kill(self, data: Data) -> None:
        """End it by SIGKILL, the data in a file before where they are kept. Raises TK643."""
        self._forget()  # a test may have saved
        if data == "kept":
            self._save()
        self._keeper.tell("kill")

    def start(self, _data: Data) -> None:
        """Start it again; it reads the file, if there is one. Raises TK101."""
        self._keeper.tell("kill")  # what kills it may have been interrupted
        self._keeper.tell("start")
        self._wait()
        self._forget()
        self._started()

    def _wait(self) -> None:
        """Return when it answers: it reads its data first. Raises TK101 where it never does."""
        assert self._server.kept is not None
        kept, until, reason = self._server.kept, time.monotonic() + _START_SECONDS, ""
        with redis.Redis.from_url(
            self._server.url, socket_timeout=_SECONDS, retry=Retry(NoBackoff(), 0)
        ) as client:
            while kept.has_ended() is None and time.monotonic() < until:
                try:
                    client.ping()
                except redis.RedisError as error:
                    reason = " ".join(str(error).split())
                    time.sleep(_PAUSE_SECONDS)
                else:
                    return
        raise not_ready(kept, kept.has_ended() or reason)

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
