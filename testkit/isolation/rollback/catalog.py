"""What the catalogs of a database tell a transaction that is never committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import psycopg

    from testkit.isolation.rollback.words import Statement

__all__ = ["Catalog"]

# What a new transaction defers. A name is looked up in the search path, so it has its schema.
_DEFERRABLE: Final = """
SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.conname), c.condeferred
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE c.condeferrable
"""
# The same, and the check, where the test itself has changed the schema.
_CHECK: Final = """
DO $testkit$ DECLARE names text; BEGIN
    SET CONSTRAINTS ALL IMMEDIATE;
    SELECT string_agg(DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.conname), ', ')
    INTO names FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
    WHERE c.condeferrable AND c.condeferred;
    IF names IS NOT NULL THEN EXECUTE 'SET CONSTRAINTS ' || names || ' DEFERRED'; END IF;
END $testkit$
"""
# Tables that write the transaction's time by themselves.
_STAMPED: Final = r"""
SELECT DISTINCT c.relname FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
WHERE pg_get_expr(d.adbin, d.adrelid)
      ~* '\mnow\(\)|\mCURRENT_TIMESTAMP\M|\mtransaction_timestamp\(|\mLOCALTIMESTAMP\M'
"""
# Functions of the project that may write.
_VOLATILE: Final = """
SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.provolatile = 'v' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_testkit')
"""


class Catalog:
    """Read once for a session, which is made anew with its database.

    ``stamped`` are the tables whose defaults take the transaction's time.
    """

    def __init__(self, link: psycopg.Connection[tuple[Any, ...]]) -> None:
        constraints = link.execute(_DEFERRABLE).fetchall()
        deferred = ", ".join(name for name, initially in constraints if initially)
        self._check = "SET CONSTRAINTS ALL IMMEDIATE" if constraints else ""
        if deferred:
            self._check += f"; SET CONSTRAINTS {deferred} DEFERRED"
        self.stamped = {table for (table,) in link.execute(_STAMPED.encode()).fetchall()}
        self._volatile = {name.lower() for (name,) in link.execute(_VOLATILE).fetchall()}
        self._made: set[str] = set()
        self._changed = False

    def check(self) -> str:
        """Return what checks the constraints, and defers again what a new transaction defers."""
        return _CHECK if self._changed else self._check

    def writes(self, told: Statement) -> bool:
        """Return whether a statement calls what may write; note what it defines."""
        self._changed |= told.defines
        if told.function is not None:
            self._made.add(told.function)
        return not told.calls.isdisjoint(self._volatile | self._made)

    def forget(self) -> None:
        """Forget what the test has defined: it is rolled back."""
        self._changed = False
        self._made.clear()
