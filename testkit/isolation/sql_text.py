"""Names, constants and rows as SQL text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from testkit.isolation.tables import TableFacts

__all__ = ["literal", "quoted", "row_image"]


def row_image(table: TableFacts | None) -> str:
    """Return the text of a row in its root's layout, the same from a table and from a trigger.

    None: of any table whose rows have their root's layout. Virtual columns are left out: a
    transition table holds NULL for them, a scan their value.
    """
    if not (table and table.root_columns and (table.reordered or table.virtual)):
        return "pg_testkit_row::text"
    columns = ", ".join(
        "NULL" if column in table.virtual else f"pg_testkit_row.{quoted(column)}"
        for column in table.root_columns
    )
    return f"ROW({columns})::{table.root_name}::text"


def quoted(name: str) -> str:
    """Return a name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a constant."""
    escaped = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"
