"""Who tries to connect to a port on which nothing listens: the kernel shows that to nobody."""

from __future__ import annotations

import contextlib
import threading
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
        self._refused = _refused_here()

    def begin(self) -> None:
        """Listen to the libraries."""
        _hooks.add(self)

    def end(self) -> None:
        """Listen no more."""
        _hooks.discard(self)

    def unheard(self) -> bool:
        """Return whether any connection of this machine was refused; True where none tells."""
        now = _refused_here()
        return now is None or now != self._refused

    def hear(self, places: Sequence[Place]) -> None:
        """Take in that somebody tries these places, one behind the other."""
        if any((canonical(host), port) == self._place for host, port in places):
            self._tried()


class _Hooks:
    """The hooks in the libraries, there while anybody listens.

    One for all who listen: they end in any order, and of two hooks only the later one can be taken
    out of a library.
    """

    def __init__(self) -> None:
        self._listening: tuple[Attempts, ...] = ()
        self._undo: list[Undo] = []
        self._watch = ImportWatch(LIBRARIES, self._hook)
        self._lock = threading.RLock()

    def add(self, attempts: Attempts) -> None:
        with self._lock:
            self._listening += (attempts,)
            if len(self._listening) == 1:
                self._watch.start()

    def discard(self, attempts: Attempts) -> None:
        with self._lock:
            left = tuple(each for each in self._listening if each is not attempts)
            ends, self._listening = bool(self._listening) and not left, left
            if ends:
                self._watch.stop()
                while self._undo:
                    self._undo.pop()()

    def _hook(self, library: ModuleType) -> None:
        # A library in a version that is not known is not heard.
        with contextlib.suppress(AttributeError, KeyError):
            hook = _redis if library.__name__ == "redis" else LIBRARIES[library.__name__]
            self._undo.extend(hook(library, self._check))

    def _check(self, library: str, places: Sequence[Place], database: object) -> None:
        del library, database
        for each in self._listening:
            each.hear(places)


_hooks: Final = _Hooks()


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
