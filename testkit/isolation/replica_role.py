"""How the rows of one table are put back in replica role: no key and no trigger minds the order.

Pure: a table's facts in, SQL text out. ``apply`` in ``journal_superuser.sql`` calls the function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from testkit.isolation.sql_text import quoted, row_image

if TYPE_CHECKING:
    from testkit.isolation.tables import TableFacts

__all__ = ["undo_function"]


def undo_function(table: TableFacts, *, schema: str) -> str:
    """Return the function that takes out the rows that came and puts back those that went.

    ``schema`` is the journal's.
    """
    full = f"{quoted(table.schema)}.{quoted(table.name)}"
    stored = ", ".join(quoted(c) for c in table.stored)
    image = row_image(table)
    if table.key:
        match = " AND ".join(
            f"t.{quoted(c)} {equals} x.{quoted(c)}"
            for c, equals in zip(table.key, table.equals, strict=True)
        )
        delete = (
            f"DELETE FROM {full} AS t USING unnest(pg_testkit_came::{full}[]) AS x WHERE {match};"
        )
    else:
        # Without a key equal rows cannot be told apart: take out as many as came.
        delete = f"""
        DELETE FROM {full} AS t USING (
            SELECT here.* FROM (
                SELECT pg_testkit_row.ctid AS place, pg_testkit_row.tableoid AS leaf,
                       {image} AS image,
                       row_number() OVER (PARTITION BY {image}) AS nth
                FROM {full} AS pg_testkit_row
                WHERE {image} = ANY (pg_testkit_came)
            ) AS here
            JOIN (SELECT image, count(*) AS wanted FROM unnest(pg_testkit_came) AS image GROUP BY image) AS w
              ON w.image = here.image AND here.nth <= w.wanted
        ) AS x WHERE t.ctid = x.place AND t.tableoid = x.leaf;"""
    insert = (
        f"INSERT INTO {full} ({stored}) OVERRIDING SYSTEM VALUE"
        f" SELECT {stored} FROM unnest(pg_testkit_went::{full}[]) AS x;"
        if table.stored
        else f"INSERT INTO {full} SELECT FROM unnest(pg_testkit_went);"
    )
    return f"""
CREATE OR REPLACE FUNCTION {schema}.undo_{table.root}(pg_testkit_came text[], pg_testkit_went text[]) RETURNS void
LANGUAGE plpgsql {"SET search_path = pg_catalog" if table.by_name else ""} AS $undo$
#variable_conflict use_column
BEGIN
    IF pg_testkit_came IS NOT NULL THEN {delete} END IF;
    IF pg_testkit_went IS NOT NULL THEN {insert} END IF;
END
$undo$;
"""
