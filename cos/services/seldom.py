"""Log lines about what may happen a thousand times a second."""

import time
from collections.abc import Callable

__all__ = ["Seldom"]


class Seldom:
    """Counts occurrences, and lets one be told in ``quiet`` seconds. Not for several threads."""

    def __init__(self, quiet: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._quiet = quiet
        self._clock = clock
        self._untold = 0
        self._quiet_until = float("-inf")

    def again(self) -> int | None:
        """Count one more; return how many there were since the last answer, None to be quiet."""
        self._untold += 1
        now = self._clock()
        if now < self._quiet_until:
            return None
        self._quiet_until = now + self._quiet
        told, self._untold = self._untold, 0
        return told
