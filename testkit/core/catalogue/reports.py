"""Reports: TK720 to TK729, TK760."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["REPORTS"]

REPORTS: Final[dict[str, Message]] = {
    "TK760": Message(
        "The causes of this run could not be told",
        "testkit failed to group the failures of this run: {problem}.",
        "the end of the run",
        "A defect of testkit, or a failure of a kind that it has never seen.",
        "testkit explain TK760",
        "pytest's own summary stands in place of the table, and the record of the run is whole. Please tell us, with\n"
        'the record if it may be shown. `summary = "pytest"` in [tool.testkit] turns the table off.',
    ),
}
