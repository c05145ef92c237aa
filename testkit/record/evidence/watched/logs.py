"""Errors that were logged while a test ran."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import deque

__all__ = ["Watch"]


class Watch(logging.Handler):
    """Keeps records of level ERROR and above as they are: texts are made only where a test fails.

    On the root logger only while a test runs, as pytest's own: ``logging.basicConfig`` does
    nothing where a handler is.
    """

    def __init__(self, ring: deque[logging.LogRecord]) -> None:
        super().__init__(logging.ERROR)
        self._ring = ring
        self._root = logging.getLogger()

    def begin(self) -> None:
        """Stand on the root logger."""
        self._root.addHandler(self)

    def end(self) -> None:
        """Leave it."""
        self._root.removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._ring.append(record)
