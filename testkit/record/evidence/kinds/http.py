"""``http``: what this test asked over HTTP, and how it was answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.safely import shown
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene
    from testkit.record.evidence.watched.http import Exchange

__all__ = ["http", "problem_of"]

_MOST: Final = 5
_BODY: Final = 1_500
_REQUEST: Final = 600
_REFUSED: Final = 400
_MOST_PARSED: Final = 64_000
_MOST_DETAILS: Final = 5


def http(scene: Scene) -> Iterator[Evidence]:
    """Tell of the last exchanges, oldest first."""
    now = scene.watched.now()
    for one in list(scene.watched.exchanges)[-_MOST:]:
        yield Evidence("http", _facts(one, now))


def _facts(one: Exchange, now: float) -> dict[str, Json]:
    facts: dict[str, Json] = {"method": told(one.method, 20), "url": told(one.url, 300)}
    if one.status:
        facts["status"] = one.status
    if one.error:
        facts["error"] = told(one.error, 300)
    body = one.answer
    if body:
        problem = problem_of(body) if one.status >= _REFUSED else None
        if problem is not None:
            facts["problem"] = problem
        facts["body"] = _text(body, _BODY)
    if one.request_body:
        facts["request_body"] = _text(one.request_body, _REQUEST)
    facts["ago"] = round(max(0.0, now - one.at), 3)
    return facts


def _text(body: bytes, most: int) -> str:
    text = body[: most * 4].decode(errors="replace")
    if "\x00" in text:
        return f"<{len(body)} bytes>"
    return told(text, most)


def problem_of(body: bytes) -> Json:
    """Return what a refusal says: of a problem document, or ``detail`` of FastAPI's."""
    if len(body) > _MOST_PARSED or not body.lstrip().startswith(b"{"):
        return None
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return None
    detail = read.get("detail")
    found = {k: told(v, 600) for k in ("title", "detail", "type") if type(v := read.get(k)) is str}
    if "title" in found or "type" in found:
        return {**found}
    if type(detail) is list:
        return [_detail(one) for one in detail[:_MOST_DETAILS]]
    if detail is not None:
        return found.get("detail") or told(shown(detail, 600), 600)
    return None


def _detail(one: object) -> str:
    if type(one) is not dict:
        return told(shown(one, 200), 200)
    loc = one.get("loc")
    where = ".".join(str(part) for part in loc) if type(loc) is list else ""
    return told(f"{where}: {one.get('msg')}" if where else shown(one, 300), 300)
