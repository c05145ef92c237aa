"""``timing``: an assertion that holds a measured time against a limit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.safely import mro
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.record.evidence.scene import Scene

__all__ = ["timing"]

_NUMBER: Final = r"\(?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"
_COMPARED: Final = re.compile(rf"assert {_NUMBER}.{{0,200}}? (?:<=?|>=?) {_NUMBER}")
_MEASURED: Final = re.compile(
    r"perf_counter|monotonic|process_time|time\.time\(|total_seconds|elapsed|duration|latency"
    r"|took|runtime|timeit|\b(?:seconds|millis|ms|secs?|wall)\b|_(?:ms|seconds|secs?)\b",
    re.IGNORECASE,
)


def timing(scene: Scene) -> Iterator[Evidence]:
    """Tell both sides, where the line or its explanation speaks of a time."""
    raised = scene.chain[0]
    if not any(cls is AssertionError for cls in mro(type(scene.raised))) or not raised.frames:
        return
    found = _COMPARED.search(raised.message)
    line = raised.frames[-1].text
    if found is None or not _MEASURED.search(f"{line}\n{raised.message}"):
        return
    if "." not in found[1] + found[2]:
        return
    left, right = float(found[1]), float(found[2])
    # A limit stands on either side; what has more digits was measured.
    seconds, limit = (right, left) if len(found[1]) < len(found[2]) else (left, right)
    yield Evidence("timing", {"seconds": seconds, "limit": limit, "text": told(line, 300)})
