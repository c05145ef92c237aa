"""Workflow commands of GitHub, whose texts and properties no text of a run can leave."""

from __future__ import annotations

from testkit.reports.texts import printable

__all__ = ["annotation", "data"]


def annotation(severity: str, text: str, **properties: object) -> str:
    """Return the command of an annotation: its severity, such as ``error``, and its properties."""
    named = ",".join(f"{name}={_value(str(one))}" for name, one in properties.items())
    return f"::{severity} {named}::{data(text)}"


def data(text: str) -> str:
    """Return a text as the last part of a command takes it."""
    return printable(text).replace("%", "%25")


def _value(text: str) -> str:
    """Return a text as the value of a property."""
    return data(text).replace(":", "%3A").replace(",", "%2C")
