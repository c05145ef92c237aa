"""``mapper``: the first mapper failure of the process: the later ones only point back to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Raised
    from testkit.record.evidence.scene import Scene

__all__ = ["mapper"]

_SAYS_SO: Final = re.compile(
    r"[Mm]apper\[|mappers? failed to initialize|Multiple classes found for path"
    r"|failed to locate a name|is already defined for this MetaData instance"
    r"|[Cc]ould not (?:determine join condition|assemble any primary key)|mapper\(s\)"
)
_POINTS_BACK: Final = "failed to initialize"


def mapper(scene: Scene) -> Iterator[Evidence]:
    """Tell what is known of the first one, where this failure is one of a mapper."""
    found = [one for one in scene.chain if _is_of_mapper(one)]
    if not found:
        return
    noted = scene.watched
    if noted.mapper is None:
        # The innermost that says more than that another one failed.
        telling = [one for one in found if _POINTS_BACK not in one.message] or found
        text = next((one for one in scene.chain if one.link == "text"), None)
        first = telling[-1] if text is None else text
        noted.mapper = (first.type, first.message, scene.nodeid)
    kind, message, nodeid = noted.mapper
    yield Evidence("mapper", {"type": kind, "message": message[:1_000], "nodeid": nodeid})


def _is_of_mapper(one: Raised) -> bool:
    return one.type.startswith("sqlalchemy.") and _SAYS_SO.search(one.message) is not None
