"""Run records and evidence: TK670 to TK699."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["RECORD"]

RECORD: Final[dict[str, Message]] = {
    "TK670": Message(
        "The run is not recorded",
        "The record of this run cannot be written: {problem}.",
        "the folder .testkit/runs below the project's root",
        "The disk is full, or the project's folder cannot be written. The tests are not touched by it.",
        "testkit explain TK670",
        "What was written before stays and can be read. `record = false` in [tool.testkit], or\n"
        "--testkit-record=false, turns the record off where there is no place for one.",
    ),
}
