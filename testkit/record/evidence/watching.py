"""What is watched while tests run, so that it is known when one fails.

One process runs one test at a time: what is noted belongs to it. Nothing is watched before
``begin`` and after ``end``; libraries are watched once the process imports them, none is imported
here.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from testkit.record.evidence.watched import environment, http, logs, statements
from testkit.system.imports import ImportWatch

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from types import ModuleType

__all__ = [
    "Watched",
    "after_fixture",
    "after_test",
    "before_test",
    "begin",
    "config",
    "end",
    "watched",
]

_MOST_EXCHANGES: Final = 10
_MOST_STATEMENTS: Final = 10
_MOST_RECORDS: Final = 10
_MOST_BEFORE: Final = 10


@dataclass(slots=True)
class Watched:
    """What was noted: of the running test, and of those before it in this process.

    ``mapper`` is the first mapper failure of the process: type, message and test.
    """

    exchanges: deque[http.Exchange] = field(default_factory=lambda: deque(maxlen=_MOST_EXCHANGES))
    statements: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_STATEMENTS))
    records: deque[logging.LogRecord] = field(default_factory=lambda: deque(maxlen=_MOST_RECORDS))
    before: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_BEFORE))
    count: int = 0
    running: str = ""
    environment: environment.Watch = field(default_factory=environment.Watch)
    mapper: tuple[str, str, str] | None = None
    now: Callable[[], float] = time.perf_counter


class _Watching:
    """The watches of this process."""

    def __init__(self) -> None:
        self.watched = Watched()
        self._http = http.Watch(self.watched.exchanges)
        self._statements = statements.Watch(self.watched.statements)
        self.logs = logs.Watch(self.watched.records)
        names = {name for name, *_ in http.CLIENTS} | {statements.LIBRARY}
        self._imports = ImportWatch(names, self._imported)
        self._imports.start()

    def _imported(self, module: ModuleType) -> None:
        # A library of another form than we know: its import is the project's, and goes on.
        with contextlib.suppress(Exception):
            if module.__name__ == statements.LIBRARY:
                self._statements.begin(module)
            else:
                self._http.wrap(module)

    def end(self) -> None:
        self._imports.stop()
        self._http.end()
        self._statements.end()
        self.logs.end()


_watching: _Watching | None = None
_config: Any = None
#: Of the runs around this one: pytester runs pytest within a test, in the same process.
_around: Final[list[tuple[Any, _Watching]]] = []
_NOTHING: Final = Watched()


def begin(config: Any = None) -> None:
    """Begin to watch, unless it is done for this run already; what a run around it noted stays."""
    global _config, _watching  # noqa: PLW0603 - a process has one environment and one of each class
    if _watching is not None:
        if config is _config:
            return
        _around.append((_config, _watching))
    _config = config
    _watching = _Watching()


def before_test(item: Any) -> None:
    """Forget what the test before did over HTTP, in SQL and in its log."""
    if _watching is None:
        return
    noted = _watching.watched
    noted.running = item.nodeid
    noted.exchanges.clear()
    noted.statements.clear()
    noted.records.clear()
    noted.environment.look("")
    _watching.logs.begin()


def after_fixture(name: str) -> None:
    """Say that a fixture was set up for the test: what changed the environment is known better."""
    if _watching is not None:
        noted = _watching.watched
        noted.environment.look(f"{noted.running} (fixture {name})")


def after_test(item: Any) -> None:
    """Note that a test ran, and what it left in the environment."""
    if _watching is None:
        return
    noted = _watching.watched
    noted.environment.look(item.nodeid)
    noted.before.append(item.nodeid)
    noted.count += 1
    noted.running = ""
    _watching.logs.end()


def end() -> None:
    """Take off all that was wrapped, and watch on for the run around this one, if there is one."""
    global _config, _watching
    if _watching is not None:
        _watching.end()
        _config, _watching = _around.pop() if _around else (None, None)


def config() -> Any:
    """Return pytest's configuration, None where nothing is watched."""
    return _config


def watched() -> Watched:
    """Return what was noted so far, nothing where nothing is watched."""
    return _watching.watched if _watching is not None else _NOTHING
