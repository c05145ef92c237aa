"""Factories and the rows that they make: TK402 to TK410, TK421."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["ROWS"]

ROWS: Final[dict[str, Message]] = {
    "TK402": Message(
        "A factory was given what its model has not",
        "{factory} was given {attribute!r}; {model} has no such attribute. The nearest one is {nearest}.\n"
        "Known are: {known}.",
        "{factory}",
        "The name was misspelt, or the attribute was renamed in the model.",
        "testkit explain TK402",
        "What is no attribute but steers the factory belongs into its class Params.",
    ),
    "TK403": Message(
        "A text where a UUID belongs",
        "{factory} was given the text {value!r} for {attribute}, which holds a uuid.UUID.\n"
        "Write {attribute}={fix}, or leave it out: the factory draws one.",
        "{factory}",
        "A text passes in the test and fails in the database, or compares unequal to what is read back.",
        "testkit explain TK403",
        "uuid.UUID(text) reads one that you have as a text.",
    ),
    "TK404": Message(
        "A factory needs another kind of session",
        "{factory} needs {wanted} from {fixture}; it is {found}.\nWhat to do: {instead}.",
        "{factory}",
        "create() and its like use a Session, acreate() and its like an AsyncSession.",
        "testkit explain TK404",
        "The factory's Meta may name other fixtures: session_fixture for a Session,\n"
        "async_session_fixture for an AsyncSession.",
    ),
    "TK405": Message(
        "A factory has no mapped model",
        "{factory} is for {model}, which is no class that SQLAlchemy maps.",
        "{factory}",
        "The class is a plain one, a table, or is not known where the factory is declared.",
        "testkit explain TK405",
        "Write class ModelFactory(Factory[Model]) with the mapped class, imported above it.",
    ),
    "TK406": Message(
        "A value cannot be derived",
        "{factory} knows no value for {model}.{attribute}, of type {type}.\n"
        "Declare it in the factory, for example {attribute} = factory.LazyFunction(...).",
        "{factory}",
        "The column must not be null and has no default, and its type, CHECK or unique constraint is one\n"
        "that testkit cannot read a value from.",
        "testkit explain TK406",
        'Unique("prefix") of testkit.factories draws a text that nobody else draws.',
    ),
    "TK407": Message(
        "A circle of rows cannot begin",
        "{factory} would have to make a {parent} that is being made itself, and its key ({key}) is not\n"
        "known before it is written.",
        "{factory}",
        "The rows refer to each other by keys that must not be null.",
        "testkit explain TK407",
        "Where the parent's key is a UUID with a default, or is declared, testkit draws it first; the\n"
        "constraint must be deferrable. Otherwise create one of the rows yourself and pass it on.",
    ),
    "TK408": Message(
        "get_or_create has no key",
        "{factory}.get_or_create was given {given}; that holds no key by which a row could be found.\n"
        "Keys of the model: {keys}.",
        "{factory}",
        "A row is looked up by the columns of one unique constraint, all of them given.",
        "testkit explain TK408",
        'Give them, or name others: sqlalchemy_get_or_create = ("name",) in the factory\'s Meta.',
    ),
    "TK409": Message(
        "A fixture's name is taken",
        "register({factory}) would define {name!r} in {module}: {reason}. Choose another:\n"
        'register({factory}, name="...").',
        "{module}",
        "Two factories of one model were registered, something of that name is imported, or it is none\n"
        "that a fixture can have.",
        "testkit explain TK409",
        "Two names are needed: that of the row, and the same with _factory.",
    ),
    "TK410": Message(
        "A parent is not committed",
        "{factory} was given a {parent} that another session holds and has not committed.",
        "{factory}",
        "What one session did not commit, another cannot see, nor refer to.",
        "testkit explain TK410",
        "Commit it there, create both in one session, or make the parent by its factory.",
    ),
    "TK421": Message(
        "A relationship was given what is no row",
        "{factory} was given {value!r} for {relationship}, which takes a {target}.\n"
        "Its key is {key}: give that one, or a {target}.",
        "{factory}",
        "A relationship holds the row itself; the column beside it holds the key.",
        "testkit explain TK421",
        "With the key alone no parent is made; it must be that of a row that is there.",
    ),
}
