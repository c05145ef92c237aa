"""Fast tracebacks: TK750 to TK759."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testkit.core.catalogue.message import Message

__all__ = ["TRACEBACKS"]

TRACEBACKS: Final[dict[str, Message]] = {}
