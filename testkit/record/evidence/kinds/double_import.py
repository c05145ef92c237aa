"""``double_import``: one file of the project that stands under two names in ``sys.modules``."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any, Final, cast

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.safely import mro

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["double_import"]

_HELD: Final = cast("Any", types.ModuleType).__dict__["__dict__"]
_MOST: Final = 5


def double_import(scene: Scene) -> Iterator[Evidence]:
    """Tell each file of the project and its tests with its names."""
    names: dict[str, list[Json]] = {}
    seen: set[int] = set()
    for name, module in list(sys.modules.items()):
        if id(module) in seen or name == "__main__":
            continue
        seen.add(id(module))
        # A module that is loaded on demand is a class of its own; its dictionary is not.
        if not any(cls is types.ModuleType for cls in mro(type(module))):
            continue
        path = _HELD.__get__(module).get("__file__")
        if type(path) is str:
            names.setdefault(path, []).append(name)
    double = [path for path, found in names.items() if len(found) > 1]
    for path in [p for p in double if scene.places.owner(p) in {"test", "project"}][:_MOST]:
        facts: dict[str, Json] = {"names": names[path], "path": scene.places.relative(path)}
        yield Evidence("double_import", facts)
