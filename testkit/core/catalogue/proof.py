"""Experiments: TK740 to TK749."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from testkit.core.catalogue.message import Message

__all__ = ["PROOF"]

PROOF: Final[dict[str, Message]] = {}
