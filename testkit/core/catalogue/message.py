"""The shape of a message."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Message"]


class Message(NamedTuple):
    """One entry: ``happened`` and ``where`` are format strings over the values of the error."""

    title: str
    happened: str
    where: str
    why: str
    run: str
    more: str = ""
