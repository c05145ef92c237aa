"""``before``: the tests that ran in this process before the one that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.record.evidence.scene import Scene

__all__ = ["before"]


def before(scene: Scene) -> Iterator[Evidence]:
    """Tell the last ones, oldest first, and how many there were."""
    noted = scene.watched
    if noted.count:
        tests = [told(nodeid, 300) for nodeid in noted.before]
        yield Evidence("before", {"tests": [*tests], "count": noted.count})
