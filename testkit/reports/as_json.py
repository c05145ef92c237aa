"""Causes as JSON: every one of them, in the form that design and docs fix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from testkit.core.runs.causes import triage_json

if TYPE_CHECKING:
    from testkit.core.runs.causes import Triage

__all__ = ["render"]


def render(triage: Triage, *, limit: int | None = None) -> str:
    """Return one object; ``limit`` is for people, so nothing is left out here."""
    del limit
    return json.dumps(triage_json(triage), indent=2, ensure_ascii=True)
