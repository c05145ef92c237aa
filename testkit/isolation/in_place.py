"""How the rows of one table are put back where foreign keys cannot be told to keep still.

Pure: a table's facts in, SQL text out. The pieces of all tables that a test wrote to become one
statement, by ``apply`` in ``journal_owner.sql``: only so is every key checked when all rows are in
their place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from testkit.isolation.sql_text import quoted, row_image

if TYPE_CHECKING:
    from testkit.isolation.tables import TableFacts

__all__ = ["Pieces", "pieces_of"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """What is joined to the statement: where rows only came, where they only went, and for both.

    Each begins with a comma and reads ``net (rel, image, n)``: a row with n < 0 is there n times
    too often, one with n > 0 is missing n times.
    """

    takes_out: str
    puts_in: str
    does_both: str


def pieces_of(table: TableFacts) -> Pieces:
    """Return the pieces of a table or, for a partition, of its root."""
    name = f"{quoted(table.schema)}.{quoted(table.name)}"
    rows = f"(SELECT image::{name} AS x, n FROM net WHERE rel = {table.oid})"
    plain = f", rows_{table.oid} AS MATERIALIZED {rows}"
    taken_out = f" AND (SELECT count(*) FROM out_{table.oid}) >= 0"  # and that first
    takes_out = plain + _out(table, name)
    puts_in = plain + _in(table, name)
    if not _updates(table):
        return Pieces(takes_out, puts_in, takes_out + _in(table, name, taken_out))
    # Rows that others refer to must never be away, not even within the statement, where a key says
    # RESTRICT or CASCADE: they are changed back.
    key = ", ".join(f"(r.x).{quoted(c)}" for c in table.key)
    told_apart = (
        f", rows_{table.oid} AS MATERIALIZED (SELECT r.*, bool_or(n < 0) OVER same AS came,"
        f" bool_or(n > 0) OVER same AS went FROM {rows} AS r WINDOW same AS (PARTITION BY {key}))"
    )
    changed = f" AND (SELECT count(*) FROM changed_{table.oid}) >= 0"
    does_both = (
        told_apart
        + _out(table, name, " AND NOT r.went")
        + _changed(table, name, " AND r.came" + taken_out)
        + _in(table, name, " AND NOT r.came" + changed)
    )
    return Pieces(takes_out, puts_in, does_both)


def _updates(table: TableFacts) -> bool:
    """Return whether rows are changed back: others refer to them, and they can be told apart."""
    # GENERATED ALWAYS AS IDENTITY takes a value by INSERT only. Where such a value has changed,
    # `check_applied` finds out.
    return bool(table.referenced and table.key and set(table.stored) - set(table.fixed))


def _matches(table: TableFacts) -> str:
    return " AND ".join(
        f"t.{quoted(c)} {equals} (r.x).{quoted(c)}"
        for c, equals in zip(table.key, table.equals, strict=True)
    )


def _out(table: TableFacts, name: str, condition: str = "") -> str:
    if table.key:
        return (
            f", out_{table.oid} AS (DELETE FROM {name} AS t USING rows_{table.oid} AS r"
            f" WHERE r.n < 0 AND {_matches(table)}{condition} RETURNING 1)"
        )
    # Without a key equal rows cannot be told apart: take out as many as came.
    image = row_image(table)
    return f""", out_{table.oid} AS (
        DELETE FROM {name} AS t USING (
            SELECT here.* FROM (
                SELECT pg_testkit_row.ctid AS place, pg_testkit_row.tableoid AS leaf,
                       {image} AS image, row_number() OVER (PARTITION BY {image}) AS nth
                FROM {name} AS pg_testkit_row
                WHERE {image} IN (SELECT image FROM net WHERE rel = {table.oid} AND n < 0)
            ) AS here
            JOIN net ON net.rel = {table.oid} AND net.image = here.image AND here.nth <= -net.n
        ) AS r WHERE t.ctid = r.place AND t.tableoid = r.leaf RETURNING 1)"""


def _in(table: TableFacts, name: str, condition: str = "") -> str:
    columns = ", ".join(quoted(c) for c in table.stored)
    values = ", ".join(f"(r.x).{quoted(c)}" for c in table.stored)
    target = f"{name} ({columns}) OVERRIDING SYSTEM VALUE" if table.stored else name
    return (
        f", in_{table.oid} AS (INSERT INTO {target} SELECT {values}"
        f" FROM rows_{table.oid} AS r, generate_series(1, r.n)"
        f" WHERE r.n > 0{condition} RETURNING 1)"
    )


def _changed(table: TableFacts, name: str, condition: str) -> str:
    values = ", ".join(
        f"{quoted(c)} = (r.x).{quoted(c)}" for c in table.stored if c not in table.fixed
    )
    return (
        f", changed_{table.oid} AS (UPDATE {name} AS t SET {values} FROM rows_{table.oid} AS r"
        f" WHERE r.n > 0 AND {_matches(table)}{condition} RETURNING 1)"
    )
