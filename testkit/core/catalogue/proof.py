"""Experiments: TK740 to TK749."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["PROOF"]

PROOF: Final[dict[str, Message]] = {
    "TK740": Message(
        "No record has this test fail",
        "In no record has {nodeid} failed.",
        "the command line and the records in .testkit/runs",
        "The order that is replayed is that of a recorded run in which the test failed.",
        "testkit explain TK740",
        "Name the test as pytest -v prints it, from the root, in quotes. --run names one record.",
    ),
    "TK741": Message(
        "The experiments are used up",
        "After {most} experiments it is not known yet which tests are needed.",
        "the option --most",
        "Many tests are needed together, or the test fails now and then for another reason.",
        "testkit explain TK741",
        "--most allows more. testkit history flaky tells whether the test fails without an order.",
    ),
    "TK742": Message(
        "An experiment has no outcome",
        "The experiment tells nothing: {problem}.",
        "the pytest that runs the recorded tests again",
        "The project changed since the record, a test hangs or ends the process, or a plugin is in the way.",
        "testkit explain TK742",
        "Run the suite again, so that there is a record of it as it is now. --timeout allows more seconds.",
    ),
}
