"""Waiting for something that another process does: on a condition, with a deadline."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["wait_until"]

_PAUSE = 0.005  # seconds between two looks


def wait_until(condition: Callable[[], object], *, seconds: float = 15) -> None:
    """Return as soon as the condition holds; raise AssertionError when it does not in time."""
    clock = threading.Event()
    for _ in range(int(seconds / _PAUSE)):
        if condition():
            return
        clock.wait(_PAUSE)
    raise AssertionError(f"not within {seconds:.0f} s: {condition}")
