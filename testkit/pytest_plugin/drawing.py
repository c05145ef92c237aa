"""What this process draws from: the counters and the log below the project's root."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from typing import TYPE_CHECKING

from testkit.core.draws import Draws
from testkit.core.messages import TestkitError
from testkit.system.counters import advance, random_place
from testkit.system.draw_log import DrawLog, prune
from testkit.system.project_folder import make_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.core.current import RunningTest

__all__ = ["Drawing", "DrawnFiles"]


class DrawnFiles:
    """The files of one process. Where none can be written it goes on in memory."""

    def __init__(self, root: Path, worker: str) -> None:
        self._root, self._worker = root, worker
        self._folder: Path | None = None
        self._log: DrawLog | None = None
        self._writable = True
        self._places: dict[str, int] = {}  # of the counters that have no file

    def new_token(self) -> str:
        """Return eight random hexadecimal digits that no log of the project has yet."""
        self.close()
        if self._writable:
            try:
                return self._begin_log()
            except (OSError, TestkitError):
                self._writable = False
        return os.urandom(4).hex()

    def _begin_log(self) -> str:
        folder = self._made()
        prune(folder)
        while True:
            token = os.urandom(4).hex()
            with contextlib.suppress(FileExistsError):  # a token that somebody had before
                self._log = DrawLog(folder, token, self._worker)
                return token

    def advance(self, space: str, choose: Callable[[int], tuple[int, int]]) -> int:
        """Move a counter on: the one that all processes share, else one of this process."""
        if space not in self._places:
            try:
                return advance(self._made(), space, choose)
            except (OSError, TestkitError):
                # Not back to the file: what was drawn from there comes round soon enough.
                self._places[space] = random_place()
        taken, self._places[space] = choose(self._places[space])
        return taken

    def note_count(self, first: int, doing: str) -> bool:
        """Log who draws from this count on; False where the log has come to its end."""
        if self._log is not None:
            try:
                self._log.note_count(first, doing)
            except OSError:
                self._give_up()
                return False
        return True

    def note_number(self, space: str, number: int, text: str, doing: str) -> None:
        """Log who drew a number of a space."""
        if self._log is not None:
            try:
                self._log.note_number(space, number, text, doing)
            except OSError:
                self._give_up()

    def end(self, last: int) -> None:
        """End the log with the last count that was drawn."""
        if self._log is not None:
            try:
                self._log.note_end(last)
            except OSError:
                self._give_up()
        self.close()

    def close(self) -> None:
        """Leave the log as it is."""
        log, self._log = self._log, None
        if log is not None:
            log.close()

    def forked(self) -> None:
        """Share nothing with the process of which this one is a copy."""
        self.close()
        self._places.clear()

    def _made(self) -> Path:
        if self._folder is None:
            self._folder = make_folder(self._root, "draws")
        return self._folder

    def _give_up(self) -> None:
        self._writable = False
        self.close()


class Drawing:
    """Makes the draws of one process, and ends them with it."""

    def __init__(self, root: Path, worker: str, running: RunningTest) -> None:
        self._files = DrawnFiles(root, worker)
        self._lock = threading.RLock()
        self.draws = Draws(worker=worker, running=running, outside=self._files, lock=self._lock)
        mine = weakref.ref(self)  # what is registered stays so until the process ends

        def call(name: str) -> Callable[[], None]:
            def at_fork() -> None:
                if (drawing := mine()) is not None:
                    getattr(drawing, name)()

            return at_fork

        os.register_at_fork(
            before=call("_hold"), after_in_parent=call("_let_go"), after_in_child=call("_forked")
        )

    def end(self) -> None:
        """End the log."""
        self._files.end(self.draws.count)

    def _hold(self) -> None:
        # No other thread is in the middle of a draw while the process is copied.
        self._lock.acquire()

    def _let_go(self) -> None:
        self._lock.release()

    def _forked(self) -> None:
        self._lock = threading.RLock()
        self._files.forked()
        self.draws.forked(self._lock)
