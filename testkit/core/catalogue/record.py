"""Run records and evidence: TK670 to TK699."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testkit.core.catalogue.message import Message

__all__ = ["RECORD"]

RECORD: Final[dict[str, Message]] = {}
