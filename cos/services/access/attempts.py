"""How many logins may fail."""

from collections import deque

__all__ = ["AttemptLimit"]


class AttemptLimit:
    """Allows ``most`` failures in any ``window`` seconds; for one event loop.

    An attempt counts from its begin, so that many at once are no way around the limit, and counts
    no longer when it turns out to be no failure. Times are those of one monotonic clock.
    """

    def __init__(self, most: int, *, window: float) -> None:
        self._most = most
        self._window = window
        self._begun: deque[float] = deque()

    def begin(self, now: float) -> float:
        """Count an attempt and return 0; or return the seconds to wait, and count none."""
        while self._begun and self._begun[0] <= now - self._window:
            self._begun.popleft()
        if len(self._begun) >= self._most:
            return self._begun[0] + self._window - now
        self._begun.append(now)
        return 0.0

    def forgive(self, begun: float) -> None:
        """Take back the attempt that began at ``begun``: it did not fail."""
        if begun in self._begun:
            self._begun.remove(begun)
