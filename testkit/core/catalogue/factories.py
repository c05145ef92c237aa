"""Factories, and the values that they draw: TK4."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["FACTORIES"]

FACTORIES: Final[dict[str, Message]] = {
    "TK401": Message(
        "A factory has no session",
        "{factory} was asked to create a row outside a test.",
        "{factory}",
        "Factories write through the db_session of the running test; during collection, and in\n"
        "plain fixtures of module or session scope, there is none.",
        "testkit explain TK401",
        "Make the fixture one of @testkit.shared, whose set-up has a session for factories, or move the call\n"
        "into a test or a function-scoped fixture. {factory}.build() makes an object without a database;\n"
        "sqlalchemy_session_factory = ... in its Meta names a session of yours.",
    ),
    "TK411": Message(
        "Every value of a column is in use",
        "All {size} values that {space} can hold have been drawn.",
        "{doing}",
        "A value under a unique constraint is drawn once in a test. This test, and the wider fixtures\n"
        "that still live, have drawn all of them.",
        "testkit explain TK411",
        "Let the test make fewer rows or give the values itself, let wider fixtures make fewer, or give\n"
        "the column a longer type. What a test drew is free again when the test ends, what a fixture\n"
        "of module or session scope drew when that fixture ends.",
    ),
    "TK412": Message(
        "Nobody is known to have drawn a value",
        "No log says which test drew {value!r}.",
        "{place}",
        "The value was not drawn by testkit, or in another project; its log has been removed (those of\n"
        "the last 50 processes stay, and 10 MB); or that folder could not be written.",
        "testkit explain TK412",
        "Give the value as it stands in the database or in the report; text around it does no harm\n"
        "to one that holds a token, such as module-gw1-7f3a9c2e-0042. One of a few letters or digits must\n"
        "stand alone. Of the numbers that one process draws the first 5 MB are logged.",
    ),
}
