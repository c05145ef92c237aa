"""``warnings``: those of this phase that pytest has captured until now."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.exceptions import is_error, message_of
from testkit.record.evidence.safely import attributes, type_name
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["warned"]

_MOST: Final = 5
_BUILTIN: Final[type] = type(print)


def warned(scene: Scene) -> Iterator[Evidence]:
    """Tell the last ones, oldest first: the list that ``catch_warnings`` fills is read."""
    # The only way to it: pytest keeps the list to itself until the phase has ended.
    append: Any = vars(warnings).get("_showwarnmsg_impl")
    found: Any = getattr(append, "__self__", None) if type(append) is _BUILTIN else None
    if type(found) is not list:
        return
    messages: list[Json] = []
    for one in found[-_MOST:]:
        held = attributes(one)
        warning, path, line = held.get("message"), held.get("filename"), held.get("lineno")
        if is_error(warning) and type(path) is str:
            said = message_of(warning, scene.places)  # type: ignore[arg-type]  # it is one
            where = f"{scene.places.relative(path)}:{line if type(line) is int else 0}"
            messages.append(told(f"{where}: {type_name(type(warning))}: {said}", 400))
    if messages:
        yield Evidence("warnings", {"messages": messages})
