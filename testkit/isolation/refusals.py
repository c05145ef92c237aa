"""What was refused to the tests of one process, until somebody is charged with it."""

from __future__ import annotations

import threading
from pathlib import Path

from testkit.core.errors import chain_of
from testkit.core.messages import TestkitError
from testkit.system.calling_site import calling_site

__all__ = ["Refusals"]

# What was tried, without the place in code: the same when the same is tried again.
_Asked = tuple[object, ...]


class Refusals:
    """Remembers each refusal, so that a test whose code caught the error fails all the same.

    ``moment`` is what runs just now, for a refusal that no test is to blame for. Safe from any
    thread and event loop. What is tried over and over is kept once.
    """

    def __init__(self, moment: str = "before the first test") -> None:
        self._lock = threading.Lock()
        self._refused: dict[_Asked, tuple[TestkitError, str]] = {}
        self._told: set[_Asked] = set()
        self._moment = moment
        self._root = f"{Path.cwd()}/"

    @property
    def where(self) -> str:
        """Return the line of the project that asks just now, and the test."""
        site = calling_site(self._root)  # None under a loop or a thread of a library's own
        place = site and f"{site.file}:{site.line}"
        return ", ".join(part for part in (place, self._moment) if part)

    def noted(self, error: TestkitError) -> TestkitError:
        """Return the error, which is about to be raised, and remember it."""
        with self._lock:
            self._refused.setdefault(_asked(error), (error, self._moment))
        return error

    def begin_test(self, test: str) -> None:
        """Note who asks from now on."""
        self._moment = test

    def told(self, error: BaseException) -> None:
        """Note what a test failed by: if a refusal is behind it, the test need not fail again."""
        chain = {_asked(found) for found in chain_of(error) if isinstance(found, TestkitError)}
        with self._lock:
            self._told |= chain & self._refused.keys()

    def finish_test(self, test: str) -> str | None:
        """Answer what the test is to fail with: refusals that its code, or some before it, caught.

        None where there are none, or the test has failed by them.
        """
        message = self._take(test)
        self._moment = f"after {test}"
        return message

    def left(self) -> list[str]:
        """Answer, at the end of the run, what no test was charged with."""
        message = self._take("")
        return [message] if message else []

    def _take(self, test: str) -> str | None:
        with self._lock:
            left = [found for asked, found in self._refused.items() if asked not in self._told]
            self._refused.clear()
            self._told.clear()
        return "\n\n".join(_charge(error, moment, test) for error, moment in left) or None


def _asked(error: TestkitError) -> _Asked:
    return (error.code, *(f"{key}={v}" for key, v in error.values.items() if key != "where"))


def _charge(error: TestkitError, moment: str, test: str) -> str:
    note = "the error was raised there, and caught by the code that asked"
    if moment != test:
        note += f"; no test did it, it came {moment}"
    return f"{error}\n  note:  {note}"
