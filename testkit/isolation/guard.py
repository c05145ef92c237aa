"""The guard: tests reach no server that testkit did not provide."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from testkit.core.errors import chain_of
from testkit.core.messages import TestkitError
from testkit.core.provided import AllowedHosts, Place, canonical, provided
from testkit.isolation.libraries import LIBRARIES
from testkit.system.calling_site import calling_site
from testkit.system.imports import ImportWatch
from testkit.system.ports import is_held_here

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from testkit.isolation.libraries import Undo

__all__ = ["Guard"]

_running: Final[list[Guard]] = []


class _Refusal(NamedTuple):
    error: TestkitError
    moment: str

    @property
    def asked(self) -> tuple[object, ...]:
        """What is the same when the same connection is tried again."""
        return tuple(self.error.values[name] for name in ("library", "place", "database"))


class Guard:
    """Raises TK304 where a library is about to connect elsewhere, and remembers who was refused.

    Open are servers that testkit provided, ports that this process itself has bound, and what
    ``allow_hosts`` names. Safe from any thread and event loop. Where a run is started within the
    process of another one, the guard that began last decides alone.
    """

    def __init__(self, allow_hosts: Sequence[str]) -> None:
        self._allowed = AllowedHosts(allow_hosts)
        self._watch = ImportWatch(LIBRARIES, self._hook)
        self._undo: list[Undo] = []
        self._lock = threading.Lock()
        self._refusals: list[_Refusal] = []
        self._told: set[tuple[object, ...]] = set()
        self._moment = "before the first test"
        self._root = f"{Path.cwd()}/"

    def begin(self) -> None:
        """Guard the libraries that are loaded, and each other one when somebody loads it."""
        _running.append(self)
        self._watch.start()

    def end(self) -> list[str]:
        """Put every library back as it was; answer what no test was charged with."""
        if self in _running:
            _running.remove(self)
        self._watch.stop()
        while self._undo:
            self._undo.pop()()
        message = self._take("")
        return [message] if message else []

    def begin_test(self, test: str) -> None:
        """Note whose connections are asked for from now on."""
        self._moment = test

    def told(self, error: BaseException) -> None:
        """Note what a test failed by: if a refusal is behind it, the test need not fail again."""
        chain = {id(found) for found in chain_of(error)}
        with self._lock:
            self._told |= {
                refusal.asked for refusal in self._refusals if id(refusal.error) in chain
            }

    def finish_test(self, test: str) -> str | None:
        """Answer what the test is to fail with: refusals that its code, or some before it, caught.

        None where there are none, or the test has failed by them.
        """
        message = self._take(test)
        self._moment = f"after {test}"
        return message

    def check(self, library: str, places: Sequence[Place], database: object) -> None:
        """Let a library connect, or raise TK304."""
        if self not in _running[-1:]:
            return
        refused = next((place for place in places if not self._is_open(place)), None)
        if refused is None:
            return
        error = TestkitError(
            "TK304",
            library=library,
            place=_shown(refused),
            entry=_shown(refused, port=not refused[0].startswith("/")),
            database="not named" if database is None else f"{database}",
            where=", ".join(part for part in (self._calling_site(), self._moment) if part),
        )
        with self._lock:
            self._refusals.append(_Refusal(error, self._moment))
        raise error

    def _is_open(self, place: Place) -> bool:
        host, port = canonical(place[0]), place[1]
        if place in provided or place in self._allowed:
            return True
        if host.startswith("/"):
            return is_held_here(host if port is None else f"{host}/.s.PGSQL.{port}")
        return host == "localhost" and port is not None and is_held_here(port)

    def _calling_site(self) -> str | None:
        """Return file and line of the project's code that asked, None under a loop of its own."""
        site = calling_site(self._root)
        return site and f"{site.file}:{site.line}"

    def _take(self, test: str) -> str | None:
        with self._lock:
            left = [refusal for refusal in self._refusals if refusal.asked not in self._told]
            self._refusals.clear()
            self._told.clear()
        once = {refusal.asked: refusal for refusal in reversed(left)}
        return "\n\n".join(_charge(r, test) for r in reversed(once.values())) or None

    def _hook(self, library: ModuleType) -> None:
        try:
            self._undo.extend(LIBRARIES[library.__name__](library, self.check))
        except (AttributeError, KeyError) as error:
            version = getattr(library, "__version__", "")
            sys.stderr.write(
                f"\ntestkit: connections by {library.__name__} {version} are not guarded, "
                f"this version is not known ({error})\n"
            )


def _charge(refusal: _Refusal, test: str) -> str:
    note = "the error was raised there, and caught by the code that asked"
    if refusal.moment != test:
        note += f"; no test did it, it came {refusal.moment}"
    return f"{refusal.error}\n  note:  {note}"


def _shown(place: Place, *, port: bool = True) -> str:
    host = place[0].strip("[]")
    if not host.startswith("@"):
        # A driver that misreads a URL takes a part of the password for one of the host.
        host = host.rpartition("@")[2]
    if not port or place[1] is None:
        return host
    return f"[{host}]:{place[1]}" if ":" in host else f"{host}:{place[1]}"
