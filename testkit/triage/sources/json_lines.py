"""Files of one JSON object a line, also cut, damaged or foreign in places."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.triage.sources.opening import Opened

__all__ = ["objects"]


def objects(source: Opened) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file; lines that hold none are counted in a note of the source."""
    bad = 0
    last_bad = False
    for line in source.lines():
        if not line.strip():
            continue
        last_bad = False
        try:
            told = json.loads(line.decode("utf-8-sig", "replace"))
        except (ValueError, RecursionError):
            bad, last_bad = bad + 1, True
            continue
        if isinstance(told, dict):
            yield told
        else:
            bad += 1
    if last_bad:
        source.notes.append(f"{source.path.name}: its last line is cut.")
    if bad > last_bad:
        source.notes.append(f"{source.path.name}: {bad - last_bad} lines are no JSON objects.")
