"""What pydantic refused, without values: to draw one it would run the code of its class."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

from testkit.record.evidence.safely import is_a, mro, namespace, shown, type_name

if TYPE_CHECKING:
    from testkit.record.evidence.places import Places

__all__ = ["PYDANTIC", "errors_of", "place_of", "refusal"]

PYDANTIC: Final = "pydantic_core._pydantic_core.ValidationError"
_MOST: Final = 10
_MOST_CLASSES: Final = 5_000
_SUBCLASSES: Final[Any] = type.__dict__["__subclasses__"]


def errors_of(error: Any, places: Places) -> list[dict[str, Any]]:
    """Return the errors as pydantic lists them, none where it would run code of the project.

    It draws the error that a validator has raised, a ValueError or an AssertionError, once more.
    """
    if type_name(type(error)) != PYDANTIC or _draws_itself(places):
        return []
    found: list[dict[str, Any]] = error.errors(include_url=False, include_context=False)
    return found


def refusal(error: Any, places: Places) -> str | None:
    """Return the message of a validation error of pydantic, None of anything else."""
    if not is_a(error, PYDANTIC) or type_name(type(error)) != PYDANTIC:
        return None
    count = error.error_count()
    lines = [f"{count} validation error{'' if count == 1 else 's'} for {error.title}"]
    for one in errors_of(error, places)[:_MOST]:
        kind = type_name(type(one["input"])) if "input" in one else ""
        lines.append(".".join(place_of(one)))
        lines.append(f"  {one.get('msg')} [type={one.get('type')}, input_type={kind}]")
    return "\n".join(lines)


def place_of(one: dict[str, Any]) -> list[str]:
    """Return the parts of a place, as texts."""
    loc: Any = one.get("loc")
    if type(loc) is not tuple and type(loc) is not list:
        return []
    return [part if type(part) is str else shown(part) for part in list(loc)[:_MOST]]


def _draws_itself(places: Places) -> bool:
    """Tell whether a class of errors of the project has code for its own text."""
    waiting, seen = [ValueError, AssertionError], 0
    while waiting and seen < _MOST_CLASSES:
        for cls in _SUBCLASSES(waiting.pop()):
            seen += 1
            waiting.append(cls)
            for one in mro(cls):
                text = namespace(one).get("__str__")
                if type(text) is not types.FunctionType:
                    continue
                if places.owner(text.__code__.co_filename) in {"test", "project"}:
                    return True
    return seen >= _MOST_CLASSES
