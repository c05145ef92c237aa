"""``validation``: what pydantic and FastAPI refused, also where only an answer of 422 tells it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.refusals import PYDANTIC, errors_of, place_of
from testkit.record.evidence.safely import attribute, is_a, type_name
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["validation"]

_FASTAPI: Final = (
    "fastapi.exceptions.ValidationException",
    "fastapi.exceptions.RequestValidationError",
)
_UNPROCESSABLE: Final = 422
_MOST: Final = 10
_MOST_PARSED: Final = 64_000


def validation(scene: Scene) -> Iterator[Evidence]:
    """Tell of the errors in the chain, and of those of the last answer that is a 422."""
    for error, _ in scene.errors:
        if is_a(error, PYDANTIC):
            found = errors_of(error, scene.places)
            yield from _evidence(cast("Any", error).title if found else "", found)
        elif is_a(error, *_FASTAPI):
            held = attribute(error, "_errors")
            yield from _evidence("", list(held) if type(held) in {list, tuple} else [])
    for one in reversed(list(scene.watched.exchanges)):
        if one.status == _UNPROCESSABLE:
            yield from _of_answer(one.answer)
            return


def _of_answer(body: bytes) -> Iterator[Evidence]:
    if len(body) > _MOST_PARSED or not body.lstrip().startswith(b"{"):
        return
    try:
        detail = json.loads(body).get("detail")
    except (ValueError, RecursionError):
        return
    if type(detail) is list:
        yield from _evidence("", detail)


def _evidence(model: str, errors: list[Any]) -> Iterator[Evidence]:
    told_errors: list[Json] = [_told(one) for one in errors[:_MOST] if type(one) is dict]
    if told_errors:
        facts: dict[str, Json] = {"errors": told_errors}
        if model:
            facts["model"] = told(model, 100)
        yield Evidence("validation", facts)


def _told(one: dict[str, Any]) -> Json:
    facts: dict[str, Json] = {}
    if loc := place_of(one):
        facts["loc"] = [told(part, 100) for part in loc]
    for key, name in (("type", "type"), ("msg", "message")):
        if type(text := one.get(key)) is str:
            facts[name] = told(text, 300)
    if "input" in one:
        facts["input_type"] = type_name(type(one["input"]))
    return facts
