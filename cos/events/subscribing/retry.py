"""When a failed attempt is repeated."""

from typing import Final

__all__ = ["retry_delay"]

# Beyond it every base is longer than any cap, and a float soon ends.
MAX_DOUBLINGS: Final = 64


def retry_delay(attempt: int, chance: float, *, base: float, cap: float) -> float:
    """Return the seconds to wait after the attempt with this number, counted from 1.

    ``base`` doubled with each attempt, at most ``cap``; of that, the half and as much of the other
    half as ``chance``, from 0 to 1, says: those that failed together do not come back together.
    """
    whole = min(cap, base * 2.0 ** min(attempt - 1, MAX_DOUBLINGS))
    return whole * (0.5 + chance / 2)
