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
    tests, count = list(noted.before), noted.count
    # A teardown is reported when its test is over.
    if tests[-1:] == [scene.nodeid]:
        del tests[-1]
        count -= 1
    if tests:
        last = [told(nodeid, 300) for nodeid in tests]
        yield Evidence("before", {"tests": [*last], "count": count})
