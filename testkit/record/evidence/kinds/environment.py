"""``environment``: variables that an earlier test or fixture left changed; never their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["environment"]

_MOST: Final = 20


def environment(scene: Scene) -> Iterator[Evidence]:
    """Tell which variables differ from what they were when the first test began, and by whom."""
    found = scene.watched.environment.changed(but=scene.nodeid)
    changed: list[Json] = [
        {"name": told(name, 100), "by": told(by, 300)} for name, by in [*found.items()][:_MOST]
    ]
    if changed:
        yield Evidence("environment", {"changed": changed})
