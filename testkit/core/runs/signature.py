"""The signature of a failure: equal for failures that show alike, on every machine."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.masking import without_variables

if TYPE_CHECKING:
    from testkit.core.runs.failure import Failure, Raised

__all__ = ["ALGORITHM", "innermost", "signature", "stable_id"]

# Part of each signature, so that a better algorithm does not mix with what was seen before.
ALGORITHM: Final = "1"
_NOISE: Final = re.compile(
    r"\n?\[SQL: .*|\n?\[parameters: .*|\n?\(Background on this error.*", re.DOTALL
)
_MOST: Final = 300


def innermost(chain: tuple[Raised, ...]) -> Raised | None:
    """Return the exception that the others only wrap, None of an empty chain."""
    told = [one for one in chain if one.link not in {"context", "suppressed"}]
    return told[-1] if told else (chain[0] if chain else None)


def signature(failure: Failure) -> str:
    """Return a short text: of the exception, its masked message and the place below the test."""
    root = innermost(failure.chain)
    kind = root.type if root else ""
    message = root.message if root else failure.message
    first = _NOISE.sub("", message).strip().split("\n", 1)[0][:_MOST]
    place = ""
    for frame in reversed(root.frames if root else ()):
        if frame.owner == "project":
            place = f"{frame.path}:{frame.function}"
            break
    return stable_id(ALGORITHM, failure.phase, kind, without_variables(first), place)


def stable_id(*parts: str) -> str:
    """Return twelve hexadecimal digits of these texts."""
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:12]
