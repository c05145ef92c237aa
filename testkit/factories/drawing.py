"""Where unique values come from: the run's draws, or this process' own outside a run."""

from __future__ import annotations

import os
import random
import threading
from functools import cache
from typing import TYPE_CHECKING

from testkit.core.current import current
from testkit.core.draws import Draws

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Draws", "draws_now"]


def draws_now() -> Draws:
    """Return what draws for the running test."""
    return current.draws or _own_draws()


@cache
def _own_draws() -> Draws:
    """Return draws for a script or a prompt: without a log, and without other processes."""
    return Draws(worker="main", running=current, outside=_Alone(), lock=threading.RLock())


class _Alone:
    """Counters of this process alone, from a random place on."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def new_token(self) -> str:
        return os.urandom(4).hex()

    def advance(self, space: str, choose: Callable[[int], tuple[int, int]]) -> int:
        place = self._places.get(space)
        found, self._places[space] = choose(random.getrandbits(48) if place is None else place)
        return found

    def note_count(self, first: int, doing: str) -> bool:  # noqa: ARG002 - nobody asks later
        return True

    def note_number(self, space: str, number: int, text: str, doing: str) -> None:
        pass
