"""``statements``: what SQLAlchemy sent last in this test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.record.evidence.scene import Scene

__all__ = ["statements"]

_MOST: Final = 500


def statements(scene: Scene) -> Iterator[Evidence]:
    """Tell of the last statements, oldest first."""
    sent = list(scene.watched.statements)
    if sent:
        last = [told(" ".join(one[: _MOST * 4].split()), _MOST) for one in sent]
        yield Evidence("statements", {"last": [*last]})
