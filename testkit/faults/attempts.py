"""Who tries to connect to a port on which nothing listens: the kernel shows that to nobody."""

from __future__ import annotations

import contextlib
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testkit.core.provided import canonical
from testkit.isolation.libraries import LIBRARIES, replace_in
from testkit.system.imports import ImportWatch
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

    from testkit.core.provided import Place
    from testkit.isolation.libraries import Undo

__all__ = ["Attempts"]

_COUNTERS: Final = Path("/proc/net/snmp")


class Attempts:
    """Calls ``tried`` when a client library of this process is about to connect to the port.

    Others (a bare socket, another process) are not heard. ``unheard`` tells whether there may have
    been any.
    """

    def __init__(self, port: int, tried: Callable[[], None]) -> None:
        self._place = (canonical(LOOPBACK), port)
        self._tried = tried
        self._undo: list[Undo] = []
        self._watch = ImportWatch(LIBRARIES, self._hook)
        self._refused = _refused_here()

    def begin(self) -> None:
        """Listen to the libraries."""
        self._watch.start()

    def end(self) -> None:
        """Listen no more."""
        self._watch.stop()
        while self._undo:
            self._undo.pop()()

    def unheard(self) -> bool:
        """Return whether any connection of this machine was refused; True where none tells."""
        now = _refused_here()
        return now is None or now != self._refused

    def _hook(self, library: ModuleType) -> None:
        # A library in a version that is not known is not heard.
        with contextlib.suppress(AttributeError, KeyError):
            hook = _redis if library.__name__ == "redis" else LIBRARIES[library.__name__]
            self._undo.extend(hook(library, self._check))

    def _check(self, library: str, places: Sequence[Place], database: object) -> None:
        del library, database
        if any((canonical(host), port) == self._place for host, port in places):
            self._tried()


def _redis(redis: Any, check: Any) -> Iterator[Undo]:
    """Hear each attempt once: the guard asks twice for an asynchronous one."""

    def asking(original: Any) -> Any:
        @wraps(original)
        def connect(self: Any, *given: Any, **named: Any) -> Any:
            check("redis-py", [(self.host, int(self.port))], self.db)
            return original(self, *given, **named)

        return connect

    for module in (redis.connection, redis.asyncio.connection):
        yield replace_in(module.Connection, "_connect", asking)


def _refused_here() -> int | None:
    """Return how many connections of this machine failed so far, None where it does not tell."""
    try:
        names, values = (
            line.split() for line in _COUNTERS.read_text().splitlines() if line[:4] == "Tcp:"
        )
        return int(values[names.index("AttemptFails")])
    except (OSError, ValueError):
        return None
