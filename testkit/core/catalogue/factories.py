"""Factories, and the values that they draw: TK4."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["FACTORIES"]

FACTORIES: Final[dict[str, Message]] = {
    "TK401": Message(
        "A factory has no session",
        "{factory} was asked to create a row outside a test.\n"
        "{factory}.build() needs no session, and in a block of bound_to(session) there is one.",
        "{factory}",
        "Factories write through the db_session of the running test; during collection, and in\n"
        "plain fixtures of module or session scope, there is none.",
        "testkit explain TK401",
        "Make the fixture one of @testkit.shared, whose set-up has a session for factories, or move the call\n"
        "into a test or a function-scoped fixture. sqlalchemy_session_factory = ... in its Meta names a session\n"
        "of yours; testkit.factories.bound_to(session) gives one for a block.",
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
    "TK431": Message(
        "The doctor was not told what to look for",
        "--select names nothing, or --ignore leaves nothing of it; there are these groups: {groups}.",
        "testkit doctor",
        "A variable in a script was empty, or both options name the same rules.",
        "testkit explain TK431",
        "--select and --ignore take groups and codes, parted by commas: models, or TD201,TD301. Without\n"
        "--select all rules that only read are asked; `testkit explain` lists the codes.",
    ),
    "TK432": Message(
        "No such group or rule",
        "There is no group and no rule {name!r}; the nearest one is {nearest}.",
        "testkit doctor --select",
        "The name was misspelt, or belongs to another version. There are: {known}.",
        "testkit doctor --help",
        "`testkit explain` lists the rules behind the messages, `testkit explain TD101` explains one.",
    ),
    "TK433": Message(
        "The factories could not be tried",
        "The process that imports the project ended with {code}, before it had an answer.",
        "{root}",
        "pytest does not start in this project (its words stand above), or a module of the project\n"
        "ended the process.",
        "testkit explain TK433",
        "pytest's own configuration decides what is imported and how. `testkit run -- python -m pytest\n"
        "--collect-only` shows whether it starts.",
    ),
    "TK434": Message(
        "The tables of the models could not be made",
        "No schema is configured, and the tables of the models could not be made: {reason}.",
        "{root}",
        "A table needs an extension, a type or a function that the models do not bring.",
        "testkit explain TK434",
        'Set `schema` in [tool.testkit]: schema = "alembic" applies the migrations. Without it the tables\n'
        "come from the metadata of the models that have a factory.",
    ),
    "TK435": Message(
        "The baseline of the doctor cannot be read",
        "{path} is no baseline: {problem}.",
        "testkit doctor --baseline",
        "It is missing, was cut off, or was not written by `testkit doctor --write-baseline`.",
        "testkit doctor --help",
        "The file is JSON with `version` and `findings`. Write it anew (`--write-baseline`), and look at\n"
        "what that changes in it: what was left out before comes back otherwise.",
    ),
    "TK436": Message(
        "What has changed is not known",
        "git does not tell what has changed since {revision!r}: {problem}.",
        "testkit doctor --diff-base",
        "The revision is not in this clone (a shallow one has few), or this is no checkout.",
        "testkit explain TK436",
        "In a pipeline fetch the branch that is merged into, with its history up to where this one\n"
        "left it: git fetch --unshallow.",
    ),
}
