"""The guard: tests reach no server that testkit did not provide."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.core.provided import AllowedHosts, Place, canonical, provided
from testkit.isolation.libraries import LIBRARIES
from testkit.system.imports import ImportWatch
from testkit.system.ports import is_held_here

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

    from testkit.isolation.libraries import Undo
    from testkit.isolation.refusals import Refusals

__all__ = ["Guard"]

_running: Final[list[Guard]] = []


class Guard:
    """Raises TK304 where a library is about to connect elsewhere; ``refusals`` remembers it.

    Open are servers that testkit provided, ports that this process itself has bound, and what
    ``allow_hosts`` names. Safe from any thread and event loop. Where a run is started within the
    process of another one, the guard that began last decides alone.
    """

    def __init__(self, allow_hosts: Sequence[str], refusals: Refusals) -> None:
        self._allowed = AllowedHosts(allow_hosts)
        self._refusals = refusals
        self._watch = ImportWatch(LIBRARIES, self._hook)
        self._undo: list[Undo] = []

    def begin(self) -> None:
        """Guard the libraries that are loaded, and each other one when somebody loads it."""
        _running.append(self)
        self._watch.start()

    def end(self) -> None:
        """Put every library back as it was."""
        if self in _running:
            _running.remove(self)
        self._watch.stop()
        while self._undo:
            self._undo.pop()()

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
            where=self._refusals.where,
        )
        raise self._refusals.noted(error)

    def _is_open(self, place: Place) -> bool:
        host, port = canonical(place[0]), place[1]
        if place in provided or place in self._allowed:
            return True
        if host.startswith("/"):
            return is_held_here(host if port is None else f"{host}/.s.PGSQL.{port}")
        return host == "localhost" and port is not None and is_held_here(port)

    def _hook(self, library: ModuleType) -> None:
        try:
            self._undo.extend(LIBRARIES[library.__name__](library, self.check))
        except (AttributeError, KeyError) as error:
            version = getattr(library, "__version__", "")
            sys.stderr.write(
                f"\ntestkit: connections by {library.__name__} {version} are not guarded, "
                f"this version is not known ({error})\n"
            )


def _shown(place: Place, *, port: bool = True) -> str:
    host = place[0].strip("[]")
    if not host.startswith("@"):
        # A driver that misreads a URL takes a part of the password for one of the host.
        host = host.rpartition("@")[2]
    if not port or place[1] is None:
        return host
    return f"[{host}]:{place[1]}" if ":" in host else f"{host}:{place[1]}"
