"""Reports: TK720 to TK729."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testkit.core.catalogue.message import Message

__all__ = ["REPORTS"]

REPORTS: Final[dict[str, Message]] = {}
