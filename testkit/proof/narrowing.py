"""Which of many are needed for something to happen: delta debugging over lists in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["narrowed"]


def narrowed(all_of_them: Sequence[str], happens: Callable[[list[str]], bool]) -> list[str]:
    """Return a part of the list, in its order, of which each member is needed.

    ``happens`` is True of the whole list and False of none of it; neither is asked. It is asked
    once of each part. With one or two needed members among n it is asked a few times log n.
    """
    known: dict[tuple[str, ...], bool] = {tuple(all_of_them): True, (): False}

    def asked(part: list[str]) -> bool:
        key = tuple(part)
        if key not in known:
            known[key] = happens(part)
        return known[key]

    left, parts = list(all_of_them), 2
    while len(left) > 1:
        parts = min(parts, len(left))
        pieces = [left[n * len(left) // parts : (n + 1) * len(left) // parts] for n in range(parts)]
        # The nearest ones are the likeliest.
        piece = next((one for one in reversed(pieces) if asked(one)), None)
        if piece is not None:
            left, parts = piece, 2
            continue
        for n in range(parts):
            rest = [one for m, other in enumerate(pieces) if m != n for one in other]
            if asked(rest):
                left, parts = rest, max(parts - 1, 2)
                break
        else:
            if parts == len(left):
                break
            parts *= 2
    return left
