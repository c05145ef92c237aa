"""The history of runs: TK730 to TK739."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testkit.core.catalogue.message import Message

__all__ = ["HISTORY"]

HISTORY: Final[dict[str, Message]] = {}
