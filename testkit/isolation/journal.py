"""The SQL of the journal: which triggers and undo functions a table gets.

Pure: catalog facts in, SQL text out. The mechanism is described at the head of ``journal.sql``, what
a superuser's and an owner's journal do differently in ``journal_superuser.sql`` and
``journal_owner.sql``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from testkit.isolation.in_place import pieces_of
from testkit.isolation.replica_role import undo_function
from testkit.isolation.sql_text import literal, quoted, row_image

if TYPE_CHECKING:
    from testkit.isolation.tables import SequenceName, TableFacts, ViewName

__all__ = ["FILES", "Journal"]

#: What decides what is installed into a template, beside the tables that are there.
FILES: Final = (
    "in_place.py",
    "journal.py",
    "journal.sql",
    "journal_owner.sql",
    "journal_superuser.sql",
    "large_objects.sql",
    "replica_role.py",
    "sql_text.py",
    "tables.py",
    "template.py",
)

#: The owner of what a template holds, in the layers of large objects.
TEMPLATE: Final = -2
_SEQUENCE_DATA: Final = 180000  # the server version that brought pg_get_sequence_data


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal as a role may have it on a server; ``server_version`` is libpq's, like 150018."""

    superuser: bool
    server_version: int

    @property
    def schema(self) -> str:
        """Return the name of its schema: only superusers may take one that tools pass by."""
        return "pg_testkit" if self.superuser else "testkit_journal"

    def sql(self, query: str) -> str:
        """Return a query of ours, in which ``pg_testkit`` stands for the schema, for this journal."""
        return query.replace("pg_testkit", self.schema)

    def install_script(self) -> str:
        """Return the SQL that creates the journal in a database."""
        own = "journal_superuser.sql" if self.superuser else "journal_owner.sql"
        common, special, objects = (
            files(__package__).joinpath(name).read_text("utf-8")
            for name in ("journal.sql", own, "large_objects.sql")
        )
        if self.server_version >= _SEQUENCE_DATA:
            now = "SELECT v.last_value, v.is_called FROM pg_get_sequence_data(wanted) AS v"
        else:
            now = "SELECT v.last_value, v.is_called FROM pg_testkit.sequences() AS v WHERE rel = wanted"
        # STABLE, so that it becomes a part of the query that asks.
        sequence_now = (
            "CREATE FUNCTION pg_testkit.sequence_now(wanted oid) RETURNS TABLE"
            f" (last_value bigint, is_called boolean) LANGUAGE sql STABLE AS $$ {now} $$;"
        )
        allowed = "SET allow_system_table_mods = on;" if self.superuser else ""
        reads = "" if self.server_version >= _SEQUENCE_DATA else self._sequences([])
        views = "" if self.superuser else self._views([])
        return (
            allowed
            + self.sql(common)
            + reads
            + self.sql(sequence_now)
            + views
            + self.sql(special)
            + self.sql(objects)
            + self._writer("write", None)
        )

    def track_script(
        self, tables: list[TableFacts], sequences: list[SequenceName], views: list[ViewName]
    ) -> str:
        """Return the SQL that puts these tables, sequences and materialized views under watch.

        Sequences and views are all that there are; a sequence that is marked keeps its mark. Behind
        it ``claim_sequences`` or ``settle_sequences`` must be called.
        """
        s = self.schema
        parts = [
            "SET testkit.quiet = 'on';"
            f"DELETE FROM {s}.tracked WHERE rel NOT IN (SELECT oid FROM pg_class);"
            f"DELETE FROM {s}.sequence_mark WHERE rel NOT IN (SELECT seqrelid FROM pg_sequence);",
        ]
        parts += [self._track(table) for table in tables]
        if self.server_version < _SEQUENCE_DATA:
            parts.append(self._sequences(sequences))
        parts.append(
            f"INSERT INTO {s}.sequence_mark SELECT s.rel, v.last_value, v.is_called"
            f" FROM unnest('{{{','.join(str(each.oid) for each in sequences)}}}'::oid[]) AS s (rel),"
            f" {s}.sequence_now(s.rel) AS v ON CONFLICT DO NOTHING;"
        )
        parts.append(f"SELECT {s}.claim_large_objects({TEMPLATE});")
        if not self.superuser:
            parts += [self._views(views), f"SELECT {s}.note_triggers(), {s}.mark_catalog();"]
        return "\n".join(parts)

    def _track(self, table: TableFacts) -> str:
        full = f"{quoted(table.schema)}.{quoted(table.name)}"
        # A space sorts before every letter: ours fires before the user's statement triggers, and its
        # name cannot be mistaken for one of theirs.
        drops = "".join(f'DROP TRIGGER IF EXISTS " testkit {op}" ON {full};' for op in "iudt")
        tracked = (
            f"INSERT INTO {self.schema}.tracked VALUES ({table.oid}, {literal(table.shape)})"
            " ON CONFLICT (rel) DO UPDATE SET shape = excluded.shape;"
        )
        if (obstacle := self._obstacle(table)) is not None:
            function = f"{self.schema}.note_replacement({literal(obstacle)})"
            return drops + self._triggers(table, full, function, transition=False) + tracked
        writer, script = f"{self.schema}.write('{table.root}')", ""
        if table.reordered or table.by_name or table.virtual:
            writer = f"{self.schema}.write_{table.oid}('{table.root}')"
            script = self._writer(f"write_{table.oid}", table)
        script += drops + self._triggers(table, full, writer, transition=True)
        if table.oid == table.root:
            script += self._hand_on(table)
            if self.superuser:
                script += undo_function(table, schema=self.schema)
            else:
                pieces = pieces_of(table)
                texts = (pieces.takes_out, pieces.puts_in, pieces.does_both)
                script += (
                    f"DELETE FROM {self.schema}.piece WHERE rel = {table.oid};"
                    f"INSERT INTO {self.schema}.piece VALUES ({table.oid},"
                    f" {', '.join(map(literal, texts))}, {table.by_name});"
                )
        return script + tracked

    def _obstacle(self, table: TableFacts) -> str | None:
        """Return why rows of a table cannot be put back: then the database is made anew."""
        if table.inherits:
            return "table inheritance"
        if self.superuser:
            return None
        if table.rules:
            return "a table with rules"
        return "row-level security that binds the owner" if table.forced else None

    def _sequences(self, sequences: list[SequenceName]) -> str:
        """Return the function that reads all sequences, for servers without a built-in one."""
        selects = [
            f"SELECT {s.oid}::oid, s.last_value, s.is_called FROM {quoted(s.schema)}.{quoted(s.name)} s"
            for s in sequences
        ] or ["SELECT NULL::oid, NULL::bigint, NULL::boolean WHERE false"]
        return (
            f"CREATE OR REPLACE FUNCTION {self.schema}.sequences()"
            " RETURNS TABLE (rel oid, last_value bigint, is_called boolean) LANGUAGE plpgsql AS"
            f" $sequences$ BEGIN RETURN QUERY {' UNION ALL '.join(selects)}; END $sequences$;"
        )

    def _views(self, views: list[ViewName]) -> str:
        """Return the function that tells whether rows of materialized views were replaced."""
        # Meanwhile one may have been dropped, renamed or emptied.
        each = (
            "FOR rel, content IN SELECT c.oid, format('%I.%I', n.nspname, c.relname)"
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            f" WHERE c.oid = ANY ('{{{','.join(str(v.oid) for v in views)}}}'::oid[])"
            " AND c.relkind = 'm' AND c.relispopulated LOOP"
            " EXECUTE 'SELECT concat(count(*), '' '', count(*) * age(''3''::xid) - sum(age(xmin)))"
            " FROM ' || content INTO content; RETURN NEXT; END LOOP;"
        )
        return (
            f"CREATE OR REPLACE FUNCTION {self.schema}.views_now()"
            " RETURNS TABLE (rel oid, content text) LANGUAGE plpgsql STABLE AS"
            f" $views$ BEGIN {each if views else ''} END $views$;"
        )

    def _triggers(self, table: TableFacts, full: str, function: str, *, transition: bool) -> str:
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

    def _writer(self, name: str, table: TableFacts | None) -> str:
        """Return the trigger function; ``table`` where a row must be brought into its root's layout."""
        image = row_image(table)
        by_name = "true" if table and table.by_name else "false"
        lines = f"INSERT INTO {self.schema}.journal (rel, sign, image) SELECT TG_ARGV[0]::oid"
        return f"""
    CREATE OR REPLACE FUNCTION {self.schema}.{name}() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER AS $writer$
    DECLARE
        kept text[];
    BEGIN
        IF current_setting('testkit.quiet', true) = 'on' THEN RETURN NULL; END IF;
        IF {by_name} OR {self.schema}.settings_differ() THEN
            kept := {self.schema}.use_settings(ARRAY['UTC', 'ISO, MDY', 'postgres', 'hex', '1', 'pg_catalog']);
        END IF;
        IF TG_OP = 'INSERT' THEN
            {lines}, -1, {image} FROM pg_testkit_new AS pg_testkit_row;
        ELSIF TG_OP = 'UPDATE' THEN
            {lines}, 1, {image} FROM pg_testkit_old AS pg_testkit_row;
            {lines}, -1, {image} FROM pg_testkit_new AS pg_testkit_row;
        ELSIF TG_OP = 'DELETE' THEN
            {lines}, 1, {image} FROM pg_testkit_old AS pg_testkit_row;
        ELSE
            EXECUTE format('INSERT INTO {self.schema}.journal (rel, sign, image)'
                           ' SELECT $1::oid, 1, %s FROM ONLY %I.%I AS pg_testkit_row',
                           {literal(image)}, TG_TABLE_SCHEMA, TG_TABLE_NAME)
            USING TG_ARGV[0];
        END IF;
        IF kept IS NOT NULL THEN PERFORM {self.schema}.use_settings(kept); END IF;
        RETURN NULL;
    END
    $writer$;
    """

    def _hand_on(self, table: TableFacts) -> str:
        """Return the function that gives lines of rows to another owner that changed them too.

        A row that only came to the giver may be one whose key the giver changed: then what only went
        from it in the same transaction goes along, lest one row come back as two.
        """
        full = f"{quoted(table.schema)}.{quoted(table.name)}"
        columns = ", ".join(f"(image::{full}).{quoted(c)}" for c in table.key)
        key = f"ROW({columns})" if table.key else "image"
        return f"""
    CREATE OR REPLACE FUNCTION {self.schema}.hand_on_{table.root}(giver integer, takers integer[])
    RETURNS void LANGUAGE sql {"SET search_path = pg_catalog" if table.by_name else ""} AS $hand_on$
        WITH keyed AS MATERIALIZED (
            SELECT ctid AS place, owner, sign, xid, {key} AS key FROM {self.schema}.journal
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
        UPDATE {self.schema}.journal AS j SET owner = target.owner
        FROM keyed JOIN target ON target.key = keyed.key
        WHERE j.ctid = keyed.place AND keyed.owner = giver
    $hand_on$;
    """
