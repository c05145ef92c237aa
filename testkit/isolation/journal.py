"""The SQL of the journal: which triggers and undo functions a table gets.

Pure: catalog facts in, SQL text out. The mechanism is described at the head of ``journal.sql``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Final

__all__ = [
    "SEQUENCES_QUERY",
    "TABLES_QUERY",
    "SequenceName",
    "TableFacts",
    "install_script",
    "track_script",
]

_SEQUENCE_DATA: Final = 180000  # the server version that brought pg_get_sequence_data

SEQUENCES_QUERY: Final = """
SELECT s.seqrelid::int8 AS oid, n.nspname::text AS schema, c.relname::text AS name
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence <> 't' AND s.seqrelid <> 'pg_testkit.line'::regclass ORDER BY 1
"""

# Every table that is new or whose columns changed since it was last tracked. A partition is
# journalled under its root: a row may enter through the one and leave through the other.
TABLES_QUERY: Final = r"""
WITH RECURSIVE part AS (
    SELECT c.oid, c.oid AS root FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    UNION ALL
    SELECT i.inhrelid, part.root FROM pg_inherits i JOIN part ON i.inhparent = part.oid
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition AND c.relkind IN ('r', 'p')
), columns AS (
    SELECT a.attrelid,
           array_agg(a.attname::text ORDER BY a.attnum) AS names,
           array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '') AS stored,
           string_agg(a.attname || ' ' || a.atttypid || a.attgenerated::text, ',' ORDER BY a.attnum) AS shape,
           array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = 'v') AS virtual,
           -- Types that may hold a name of a relation, which reads as the search_path has it.
           bool_or(t.typtype IN ('c', 'd') OR e.typtype IN ('c', 'd')
                   OR (coalesce(e.typname, t.typname) LIKE 'reg%'
                       AND t.typnamespace = 'pg_catalog'::regnamespace)) AS by_name
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_type e ON e.oid = t.typelem AND t.typcategory = 'A'
    WHERE a.attnum > 0 AND NOT a.attisdropped GROUP BY a.attrelid
), keys AS (
    SELECT i.indrelid, array_agg(a.attname::text ORDER BY a.attnum) AS names
    FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
    WHERE i.indisprimary GROUP BY i.indrelid
), facts AS (
    SELECT p.oid::int8 AS oid, p.root::int8 AS root, n.nspname::text AS schema, c.relname::text AS name,
           c.relkind = 'p' AS partitioned, coalesce(k.names, '{}') AS key,
           coalesce(cols.stored, '{}') AS stored, rootcols.names AS root_columns,
           coalesce(rootcols.virtual, '{}') AS virtual,
           format('%I.%I', rn.nspname, rc.relname) AS root_name,
           cols.shape IS DISTINCT FROM rootcols.shape AS reordered,
           coalesce(cols.by_name, false) AS by_name,
           EXISTS (SELECT FROM pg_inherits i JOIN pg_class kid ON kid.oid = i.inhrelid
                   WHERE p.oid IN (i.inhrelid, i.inhparent) AND NOT kid.relispartition) AS inherits,
           concat_ws('|', p.root, n.nspname, c.relname, cols.shape, k.names) AS shape
    FROM part p
    JOIN pg_class c ON c.oid = p.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_class rc ON rc.oid = p.root JOIN pg_namespace rn ON rn.oid = rc.relnamespace
    LEFT JOIN columns cols ON cols.attrelid = p.oid
    LEFT JOIN columns rootcols ON rootcols.attrelid = p.root
    LEFT JOIN keys k ON k.indrelid = p.oid
    WHERE n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
      AND c.relpersistence <> 't'
)
SELECT f.* FROM facts f LEFT JOIN pg_testkit.tracked t ON t.rel = f.oid
WHERE t.shape IS DISTINCT FROM f.shape ORDER BY f.oid
"""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """One row of ``TABLES_QUERY``."""

    oid: int
    root: int
    schema: str
    name: str
    partitioned: bool
    key: list[str]
    stored: list[str]
    root_columns: list[str] | None
    virtual: list[str]
    root_name: str
    reordered: bool
    by_name: bool
    inherits: bool
    shape: str


@dataclass(frozen=True, slots=True)
class SequenceName:
    """One row of ``SEQUENCES_QUERY``."""

    oid: int
    schema: str
    name: str


def install_script(server_version: int) -> str:
    """Return the SQL that creates the journal in a database; needs a superuser.

    ``server_version`` is that of libpq, for example 150018.
    """
    script = files(__package__).joinpath("journal.sql").read_text("utf-8")
    if server_version >= _SEQUENCE_DATA:
        now = "SELECT v.last_value, v.is_called FROM pg_get_sequence_data(wanted) AS v"
    else:
        script += _sequences([])
        now = "SELECT v.last_value, v.is_called FROM pg_testkit.sequences() AS v WHERE rel = wanted"
    # STABLE, so that it becomes a part of the query that asks.
    script += (
        "CREATE FUNCTION pg_testkit.sequence_now(wanted oid)"
        f" RETURNS TABLE (last_value bigint, is_called boolean) LANGUAGE sql STABLE AS $$ {now} $$;"
    )
    return script + _writer("write", None)


def _sequences(sequences: list[SequenceName]) -> str:
    """Return the function that reads every sequence at once, for servers without a built-in one."""
    selects = [
        f"SELECT {s.oid}::oid, s.last_value, s.is_called FROM {_quoted(s.schema)}.{_quoted(s.name)} s"
        for s in sequences
    ] or ["SELECT NULL::oid, NULL::bigint, NULL::boolean WHERE false"]
    return (
        "CREATE OR REPLACE FUNCTION pg_testkit.sequences()"
        " RETURNS TABLE (rel oid, last_value bigint, is_called boolean) LANGUAGE plpgsql AS"
        f" $sequences$ BEGIN RETURN QUERY {' UNION ALL '.join(selects)}; END $sequences$;"
    )


def track_script(
    tables: list[TableFacts], sequences: list[SequenceName], *, server_version: int
) -> str:
    """Return the SQL that puts these tables and sequences under watch.

    ``sequences`` are all that there are; those that are marked already keep their mark.
    """
    parts = [
        "SET testkit.quiet = 'on';"
        "DELETE FROM pg_testkit.tracked WHERE rel NOT IN (SELECT oid FROM pg_class);"
        "DELETE FROM pg_testkit.sequence_mark WHERE rel NOT IN (SELECT seqrelid FROM pg_sequence);",
    ]
    parts += [_track(table) for table in tables]
    if server_version < _SEQUENCE_DATA:
        parts.append(_sequences(sequences))
    parts.append(
        "INSERT INTO pg_testkit.sequence_mark SELECT s.rel, v.last_value, v.is_called"
        f" FROM unnest('{{{','.join(str(s.oid) for s in sequences)}}}'::oid[]) AS s (rel),"
        " pg_testkit.sequence_now(s.rel) AS v ON CONFLICT DO NOTHING;"
        "SELECT pg_testkit.settle_sequences();"
    )
    return "\n".join(parts)


def _track(table: TableFacts) -> str:
    full = f"{_quoted(table.schema)}.{_quoted(table.name)}"
    # A space sorts before every letter: ours fires before the user's statement triggers, and its
    # name cannot be mistaken for one of theirs.
    drops = "".join(f'DROP TRIGGER IF EXISTS " testkit {op}" ON {full};' for op in "iudt")
    tracked = (
        f"INSERT INTO pg_testkit.tracked VALUES ({table.oid}, {_literal(table.shape)})"
        " ON CONFLICT (rel) DO UPDATE SET shape = excluded.shape;"
    )
    if table.inherits:
        trigger = _triggers(table, full, "pg_testkit.note_replacement()", transition=False)
        return drops + trigger + tracked
    writer, script = f"pg_testkit.write('{table.root}')", ""
    if table.reordered or table.by_name or table.virtual:
        writer = f"pg_testkit.write_{table.oid}('{table.root}')"
        script = _writer(f"write_{table.oid}", table)
    script += drops + _triggers(table, full, writer, transition=True)
    if table.oid == table.root:
        script += _undo(table, full)
    return script + tracked


def _triggers(table: TableFacts, full: str, function: str, *, transition: bool) -> str:
    rows = {
        "i": ("AFTER INSERT", "REFERENCING NEW TABLE AS pg_testkit_new"),
        "u": (
            "AFTER UPDATE",
            "REFERENCING OLD TABLE AS pg_testkit_old NEW TABLE AS pg_testkit_new",
        ),
        "d": ("AFTER DELETE", "REFERENCING OLD TABLE AS pg_testkit_old"),
    }
    # TRUNCATE of a partitioned table fires the triggers of its leaves, which hold the rows.
    if not table.partitioned:
        rows["t"] = ("BEFORE TRUNCATE", "")
    return "".join(
        f'CREATE TRIGGER " testkit {op}" {event} ON {full} {names if transition else ""}'
        f" FOR EACH STATEMENT EXECUTE FUNCTION {function};"
        # ALWAYS: a session in replica role must not write unseen.
        f'ALTER TABLE {full} ENABLE ALWAYS TRIGGER " testkit {op}";'
        for op, (event, names) in rows.items()
    )


def _writer(name: str, table: TableFacts | None) -> str:
    """Return the trigger function; ``table`` where a row must be brought into its root's layout."""
    image = _image(table)
    by_name = "true" if table and table.by_name else "false"
    lines = "INSERT INTO pg_testkit.journal (rel, sign, image) SELECT TG_ARGV[0]::oid"
    return f"""
CREATE OR REPLACE FUNCTION pg_testkit.{name}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER AS $writer$
DECLARE
    kept text[];
BEGIN
    IF current_setting('testkit.quiet', true) = 'on' THEN RETURN NULL; END IF;
    IF {by_name} OR pg_testkit.settings_differ() THEN
        kept := pg_testkit.use_settings(ARRAY['UTC', 'ISO, MDY', 'postgres', 'hex', '1', 'pg_catalog']);
    END IF;
    IF TG_OP = 'INSERT' THEN
        {lines}, -1, {image} FROM pg_testkit_new AS pg_testkit_row;
    ELSIF TG_OP = 'UPDATE' THEN
        {lines}, 1, {image} FROM pg_testkit_old AS pg_testkit_row;
        {lines}, -1, {image} FROM pg_testkit_new AS pg_testkit_row;
    ELSIF TG_OP = 'DELETE' THEN
        {lines}, 1, {image} FROM pg_testkit_old AS pg_testkit_row;
    ELSE
        EXECUTE format('INSERT INTO pg_testkit.journal (rel, sign, image)'
                       ' SELECT $1::oid, 1, %s FROM ONLY %I.%I AS pg_testkit_row',
                       {_literal(image)}, TG_TABLE_SCHEMA, TG_TABLE_NAME)
        USING TG_ARGV[0];
    END IF;
    IF kept IS NOT NULL THEN PERFORM pg_testkit.use_settings(kept); END IF;
    RETURN NULL;
END
$writer$;
"""


def _image(table: TableFacts | None) -> str:
    """Return the text of a row in its root's layout, the same from a table and from a trigger.

    Virtual columns are left out: a transition table holds NULL for them, a scan their value.
    """
    if not (table and table.root_columns and (table.reordered or table.virtual)):
        return "pg_testkit_row::text"
    columns = ", ".join(
        "NULL" if column in table.virtual else f"pg_testkit_row.{_quoted(column)}"
        for column in table.root_columns
    )
    return f"ROW({columns})::{table.root_name}::text"


def _undo(table: TableFacts, full: str) -> str:
    """Return the function that takes out the rows that came and puts back those that went."""
    stored = ", ".join(_quoted(c) for c in table.stored)
    image = _image(table)
    key = "image"
    if table.key:
        match = " AND ".join(f"t.{_quoted(c)} = x.{_quoted(c)}" for c in table.key)
        columns = ", ".join(f"(image::{full}).{_quoted(c)}" for c in table.key)
        key = f"ROW({columns})"
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
CREATE OR REPLACE FUNCTION pg_testkit.undo_{table.root}(pg_testkit_came text[], pg_testkit_went text[]) RETURNS void
LANGUAGE plpgsql {"SET search_path = pg_catalog" if table.by_name else ""} AS $undo$
#variable_conflict use_column
BEGIN
    IF pg_testkit_came IS NOT NULL THEN {delete} END IF;
    IF pg_testkit_went IS NOT NULL THEN {insert} END IF;
END
$undo$;
{_hand_on(table, key)}"""


def _hand_on(table: TableFacts, key: str) -> str:
    """Return the function that gives lines of rows to another owner that changed them too.

    A row that only came to the giver may be one whose key the giver changed: then what only went
    from it in the same transaction goes along, lest one row come back as two.
    """
    return f"""
CREATE OR REPLACE FUNCTION pg_testkit.hand_on_{table.root}(giver integer, takers integer[])
RETURNS void LANGUAGE sql {"SET search_path = pg_catalog" if table.by_name else ""} AS $hand_on$
    WITH keyed AS MATERIALIZED (
        SELECT ctid AS place, owner, sign, xid, {key} AS key FROM pg_testkit.journal
        WHERE rel = {table.root} AND (owner = giver OR owner = ANY (takers))
    ), taken AS (
        SELECT key, min(owner) AS owner FROM keyed WHERE owner <> giver GROUP BY key
    ), given AS (
        SELECT key, bool_and(sign < 0) AS came, bool_and(sign > 0) AS went, min(xid) AS xid
        FROM keyed WHERE owner = giver GROUP BY key
    ), moved AS (
        SELECT g.key, t.owner FROM given g JOIN taken t ON t.key = g.key
        UNION
        SELECT w.key, t.owner FROM given w
        JOIN given g ON g.came AND g.xid = w.xid JOIN taken t ON t.key = g.key
        WHERE w.went
    ), target AS (
        SELECT key, min(owner) AS owner FROM moved GROUP BY key
    )
    UPDATE pg_testkit.journal AS j SET owner = target.owner
    FROM keyed JOIN target ON target.key = keyed.key
    WHERE j.ctid = keyed.place AND keyed.owner = giver
$hand_on$;
"""


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    escaped = text.replace("'", "''").replace("\\", "\\\\")
    return f"E'{escaped}'" if "\\" in text else f"'{escaped}'"
