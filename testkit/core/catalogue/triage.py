"""Triage and what it reads: TK700 to TK719."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testkit.core.catalogue.message import Message

__all__ = ["TRIAGE"]

TRIAGE: Final[dict[str, Message]] = {}
