"""What wider-scoped fixtures hold in a database, carried over into one that was made anew."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testkit.isolation.journal import Journal
    from testkit.isolation.sessions import Connection

__all__ = ["Held", "Standing", "fixture_is_in_the_way", "forget_ddl"]

_LINES: Final = """
SELECT rel, owner, sign, image, xid FROM pg_testkit.journal
WHERE owner <> ALL (%s::int[]) ORDER BY line
"""
_MOVED_SEQUENCES: Final = "SELECT * FROM pg_testkit.sequence_before"
_LARGE_OBJECTS: Final = """
SELECT owner, object, content, NULL FROM pg_testkit.large_object
WHERE owner <> ALL (%s::int[])
"""
_MARKS: Final = "SELECT rel, last_value, is_called FROM pg_testkit.sequence_mark"
_MARK: Final = "UPDATE pg_testkit.sequence_mark SET last_value = %s, is_called = %s WHERE rel = %s"
_APPLY_AGAIN: Final = """
SELECT pg_testkit.apply((SELECT array_agg(DISTINCT owner) FROM pg_testkit.journal), -1,
                        pg_current_snapshot())
"""

# One round trip instead of four where nothing stands, which is mostly so.
_ANYTHING: Final = """
SELECT EXISTS (SELECT FROM pg_testkit.journal WHERE owner <> ALL (%s::int[]))
    OR EXISTS (SELECT FROM pg_testkit.sequence_before)
    OR EXISTS (SELECT FROM pg_testkit.large_object WHERE owner <> ALL (%s::int[]))
"""

_FIXTURE_WROTE_TO: Final = """
SELECT EXISTS (SELECT FROM pg_testkit.journal j
               JOIN pg_class c ON j.rel = coalesce(pg_partition_root(c.oid)::oid, c.oid)
               JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE j.owner > 0 AND n.nspname = %s::text AND c.relname = %s::text)
"""

Cursor = psycopg.Cursor[tuple[Any, ...]]

_JOURNAL: Final = "pg_testkit.journal"
_MOVED: Final = "pg_testkit.sequence_before"

_Rows = list[tuple[Any, ...]]


@dataclass(slots=True)
class Held:
    """A wider-scoped fixture whose changes stand: what it is, and the DDL that it ran."""

    who: str
    ddl: list[str]


@dataclass(frozen=True, slots=True)
class Standing:
    """The journal's lines of the fixtures that stand, by table, and where sequences must stand."""

    kept: dict[str, _Rows]
    marks: _Rows

    @classmethod
    def of(cls, execute: Callable[..., Cursor], *, without: Sequence[int]) -> Standing:
        """Return what stands, without what the running test and these owners did."""
        lines, objects = [0, *without], [-2, *without]
        if execute(_ANYTHING, (lines, objects)).fetchone() == (False,):
            return cls({}, [])  # sequences stand where the template has them
        kept = {
            f"{_JOURNAL} (rel, owner, sign, image, xid)": execute(_LINES, (lines,)),
            _MOVED: execute(_MOVED_SEQUENCES),
            "pg_testkit.large_object": execute(_LARGE_OBJECTS, (objects,)),
        }
        rows = {table: cursor.fetchall() for table, cursor in kept.items()}
        return cls(rows, execute(_MARKS).fetchall())

    def without(self, owners: Sequence[int]) -> Standing:
        """Return it without what these hold; nobody came behind them who shares it."""
        place = {table: int(table.startswith(_JOURNAL)) for table in self.kept}  # of the owner
        moved = {
            rel: (last, called)
            for owner, rel, last, called in self.kept.get(_MOVED, [])
            if owner in owners
        }
        kept = {
            table: [row for row in rows if row[place[table]] not in owners]
            for table, rows in self.kept.items()
        }
        return Standing(kept, [(rel, *moved.get(rel, at)) for rel, *at in self.marks])

    def and_then(self, later: Standing) -> Standing:
        """Return both; ``later`` was read behind a crash: lines of before did not outlive it."""
        kept = dict(self.kept)
        for table, rows in later.kept.items():
            before = kept.get(table, [])
            kept[table] = before + [row for row in rows if row not in before]
        return Standing(kept, self.marks or later.marks)

    def put_in_again(self, connection: Connection, journal: Journal) -> None:
        """Put it into a database made anew. Raises IntegrityError where it does not fit."""
        if not self.kept:
            return
        with connection.transaction(), connection.cursor() as cursor:
            for table, rows in self.kept.items():
                if not rows:
                    continue
                with cursor.copy(journal.sql(f"COPY {table} FROM STDIN").encode()) as copy:
                    for row in rows:
                        copy.write_row(row)
            cursor.execute(journal.sql(_APPLY_AGAIN).encode())
            cursor.executemany(
                journal.sql(_MARK).encode(),
                [(last, called, rel) for rel, last, called in self.marks],
            )
            cursor.execute(journal.sql("SELECT pg_testkit.undo_large_objects('{}')").encode())
            cursor.execute(journal.sql("SELECT pg_testkit.settle_sequences()").encode())


def forget_ddl(execute: Callable[..., Cursor], owners: Sequence[int]) -> None:
    """Undo the rows of these owners as far as that goes, and nothing else of theirs."""
    forget = "DELETE FROM pg_testkit.journal WHERE owner = ANY (%s)"
    execute(f"{forget} AND rel = 0", (owners,))
    try:
        execute("SELECT pg_testkit.undo(%s, NULL, NULL)", (owners,))
    except psycopg.Error:
        # Its rows went with a dropped table or column; the test is an error already.
        execute(forget, (owners,))


def fixture_is_in_the_way(
    error: psycopg.Error, journal: Journal, execute: Callable[..., Cursor]
) -> bool:
    """Return whether what rows met in their table may be those of a fixture that stands."""
    if journal.superuser:
        return True  # nobody else can be
    where = (error.diag.schema_name, error.diag.table_name)
    return execute(_FIXTURE_WROTE_TO, where).fetchone() == (True,)
