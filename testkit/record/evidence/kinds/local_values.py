"""``locals``: the variables of the place that failed, as far as they are builtins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.safely import is_plain, shown
from testkit.record.evidence.scene import locals_of
from testkit.record.evidence.texts import told, told_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["local_values"]

_MOST: Final = 20
_VALUE: Final = 200


def local_values(scene: Scene) -> Iterator[Evidence]:
    """Tell those of the innermost place in the project or its tests."""
    if not scene.own:
        return
    values: dict[str, Json] = {}
    for name, value in locals_of(scene.own[-1].tb_frame).items():
        # Of pytest's rewritten assertions, and of modules.
        if name.startswith(("@", "__")) or not is_plain(value):
            continue
        values[told(name, 60)] = told_value(name, shown(value, _VALUE), _VALUE)
        if len(values) >= _MOST:
            break
    if values:
        yield Evidence("locals", {"values": values})
