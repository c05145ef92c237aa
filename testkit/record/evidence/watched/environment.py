"""Which variables of the environment were changed, and by whom. Values are never told."""

from __future__ import annotations

import os
from typing import Any, Final

from testkit.record.evidence.safely import attributes

__all__ = ["Watch"]

# pytest's own, of each phase.
_OWN: Final = frozenset(("PYTEST_CURRENT_TEST", "PYTEST_XDIST_TESTRUNUID", "PYTEST_VERSION"))

# Python's own class of os.environ, whose attribute is no code of anybody's.
_SYSTEMS: Final = type(os.environ)
_TEXTS: Final = frozenset((str, bytes))


class Watch:
    """Compares the environment with what it was when the first test began."""

    def __init__(self) -> None:
        self._first: dict[Any, Any] | None = None
        self._last: dict[Any, Any] = {}
        self._by: dict[Any, str] = {}

    def look(self, by: str) -> None:
        """Note that what differs from the last look was changed by this test or fixture."""
        now = _variables()
        if self._first is None:
            self._first = self._last = now
            return
        if now != self._last:
            for name in now.keys() | self._last.keys():
                if now.get(name) != self._last.get(name):
                    self._by[name] = by
            self._last = now

    def changed(self, but: str) -> dict[str, str]:
        """Return who changed what differs from the first look, without what this test changed."""
        first, now = self._first or {}, _variables()
        return {
            _text(name): by
            for name, by in sorted(self._by.items())
            if by != but and not by.startswith(f"{but} (") and now.get(name) != first.get(name)
        }


def _variables() -> dict[Any, Any]:
    """Return a copy, as bytes where the system keeps them so: texts would take ten times as long.

    What somebody has put in the place of ``os.environ`` is not asked, unless it is a dictionary.
    """
    environ: Any = os.environ
    if type(environ) is _SYSTEMS and _SYSTEMS.__module__ == "os":
        # The usual case, asked several times a test: the general way takes ten times as long.
        held = vars(environ).get("_data")
    else:
        held = environ if type(environ) is dict else attributes(environ).get("_data")
    if type(held) is not dict:
        return {}
    found: dict[Any, Any] = held.copy()
    if held is environ:  # anything may stand in it; what is no text would compare itself
        found = {
            name: value
            for name, value in found.items()
            if type(name) in _TEXTS and type(value) in _TEXTS
        }
    for name in _OWN:
        found.pop(name, None)
        found.pop(name.encode(), None)
    return found


def _text(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, bytes) else str(name)
