"""The history of runs: TK730 to TK739."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["HISTORY"]

HISTORY: Final[dict[str, Message]] = {
    "TK730": Message(
        "The history is not a file",
        "history names a URL ({scheme}://…); so far it can be a file only.",
        "history in [tool.testkit], TESTKIT_HISTORY or --testkit-history",
        "The history of runs is one SQLite file.",
        "testkit explain TK730",
        "Write a path, relative to the project's root: .testkit/history.sqlite is what it is by default. An empty\n"
        "text turns the history off. The tests are not touched by it.",
    ),
    "TK731": Message(
        "The history cannot be used",
        "The history {database} cannot be used: {problem}.",
        "the file that history in [tool.testkit] names",
        "The file is damaged or something else, another process holds it, the disk is full, or it cannot be written.",
        "testkit explain TK731",
        "The tests are not touched by it, and the run has its record. A damaged file can be removed: the next run\n"
        "begins another one; what it knew of older runs is lost then.",
    ),
    "TK732": Message(
        "The history is of a newer testkit",
        "The history {database} has version {version}, which this testkit does not know.",
        "the file that history in [tool.testkit] names",
        "A newer testkit wrote it. This one leaves it as it is.",
        "testkit explain TK732",
        "Use the newer testkit here too, or name another file with history.",
    ),
    "TK733": Message(
        "There is no history yet",
        "There is no history in {database}.",
        "the project that the command was called in",
        "A recorded run adds to it when it ends. No run has, or history is another file, or off (an empty text).",
        "testkit explain TK733",
        "Runs are recorded where pyproject.toml has a [tool.testkit] table, or with --testkit-record.",
    ),
    "TK734": Message(
        "The history does not know this test",
        "No test of the history is {nodeid}.{nearest}",
        "the command line",
        "Tests are named by their whole node id, as pytest -v prints it, from the root of the project.",
        "testkit explain TK734",
        "Quote it: node ids with parameters have brackets, which shells read as patterns.",
    ),
}
