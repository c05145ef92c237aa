"""Rules about the schema: what the database does not have, or has twice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.triage.rule import Rule, found, says

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said
    from testkit.triage.rule import Found

__all__ = ["RULES"]

_SQL: Final = ("sql",)
_COLUMN: Final = re.compile(
    r"no such column: (?P<read>[\w.]+)"
    r"|table (?P<of>\w+) has no column named (?P<written>\w+)"
    r"|column \"?(?P<read2>[\w.]+)\"? does not exist"
    r"|column \"(?P<written2>\w+)\" of relation \"(?P<of2>[\w.]+)\" does not exist"
    r"|Unknown column '(?P<read3>[\w.]+)'"
)


def _missing_column(_: Facts, said: Said) -> Found | None:
    """Find the column, under one name whether it was read (``a.b``) or written (``b`` of ``a``)."""
    hit = _COLUMN.search(said.text)
    if hit is None:
        return None
    column = hit["read"] or hit["read2"] or hit["read3"]
    if not column:
        column = f"{hit['of'] or hit['of2']}.{hit['written'] or hit['written2']}"
    return found(column.lower(), column=column)


RULES: Final = (
    Rule(
        "missing-table",
        "The table {table} does not exist",
        "The model has no migration, the migration was not applied to this database, or the module"
        " with the model was not imported before the tables were made.",
        "Write the migration (`alembic revision --autogenerate`), or let testkit apply the schema"
        ' (`schema = "alembic"`).',
        says(
            r"no such table: (?P<table>[\w.]+)"
            # "column … of relation … does not exist" is about the column.
            r"|(?<!of )relation \"(?P<table2>[\w.]+)\" does not exist"
            r"|Table '(?P<table3>[\w.]+)' doesn't exist",
            "table",
        ),
        cues=("no such table", "relation ", "doesn't exist"),
        kinds=_SQL,
    ),
    Rule(
        "missing-column",
        "The column {column} does not exist",
        "The model has a column that no migration adds, or the database is of an older schema.",
        "Write the migration that adds it, and make the test databases anew.",
        _missing_column,
        cues=("column",),
        kinds=_SQL,
    ),
    Rule(
        "missing-database",
        "The database or role {name} does not exist",
        "The address names a database or role that this server does not have: it was never made, or"
        " the address is somebody else's.",
        "Let testkit make the database (`env` in `[tool.testkit]`), or create it.",
        says(r"(?:database|role) \"(?P<name>[^\"]+)\" does not exist", "name"),
        cues=("does not exist",),
    ),
    Rule(
        "missing-in-database",
        "The database lacks {what}",
        "An extension, a type or a function that a migration makes is not there, or the arguments"
        " have types for which there is none.",
        "Add it in a migration (`CREATE EXTENSION …`), or cast the arguments.",
        says(
            r"(?P<what>(?:function|type|operator|schema|sequence|extension|index|collation) "
            r"\"?[\w.]+)[^\n]* (?:does not exist|is not available)"
            r"|no such (?P<what2>function: \w+)",
            "what",
        ),
        cues=("does not exist", "no such function", "is not available"),
        kinds=_SQL,
    ),
    Rule(
        "exists-already",
        "{what} exists already in the database",
        "The schema is applied twice to one database: by two workers, or by a fixture after the"
        " migrations.",
        "Apply the schema once, or give each worker its own database.",
        says(
            r"(?P<what>(?:relation|type|database|schema|table|index|role) \"?[\w.]+\"?)"
            r" already exists",
            "what",
        ),
        cues=("already exists",),
        types=frozenset(
            (
                "DuplicateTable",
                "DuplicateTableError",
                "DuplicateObject",
                "DuplicateObjectError",
                "DuplicateDatabase",
                "DuplicateDatabaseError",
                "DuplicateSchema",
                "OperationalError",
                "ProgrammingError",
            )
        ),
        kinds=_SQL,
    ),
    Rule(
        "alembic-heads",
        "The migrations have several heads",
        "Two branches each added a migration to the same parent.",
        "Merge them: `alembic merge heads`.",
        says(r"[Mm]ultiple head(?: revision)?s"),
        cues=("ultiple head",),
    ),
    Rule(
        "alembic-revision",
        "The migration {revision} cannot be found",
        "The database, or another migration's `down_revision`, names a revision whose file is not"
        " here.",
        "Restore the file, or make the database anew.",
        says(
            r"Can't locate revision identified by '(?P<revision>[^']+)'"
            r"|Revision (?P<revision2>\w+) referenced from",
            "revision",
        ),
        cues=("revision", "Revision"),
    ),
)
