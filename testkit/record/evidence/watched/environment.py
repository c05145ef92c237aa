"""Which variables of the environment were changed, and by whom. Values are never told."""

from __future__ import annotations

import os
from typing import Final

__all__ = ["Watch"]

# pytest's own, of each phase.
_OWN: Final = frozenset(("PYTEST_CURRENT_TEST", "PYTEST_XDIST_TESTRUNUID", "PYTEST_VERSION"))


class Watch:
    """Compares the environment with what it was when the first test began."""

    def __init__(self) -> None:
        self._first: dict[str, str] | None = None
        self._last: dict[str, str] = {}
        self._by: dict[str, str] = {}

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
        """Return who changed what differs from the first look, without changes by this test."""
        first, now = self._first or {}, _variables()
        return {
            name: by
            for name, by in sorted(self._by.items())
            if by != but and now.get(name) != first.get(name)
        }


def _variables() -> dict[str, str]:
    found = dict(os.environ)
    for name in _OWN:
        found.pop(name, None)
    return found
