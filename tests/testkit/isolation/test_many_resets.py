"""Reset after reset nothing grows: tables, catalogs, prepared statements, processes."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.journalled import PEOPLE, Journalled, journalled
from tests.support.processes import LINUX
from tests.support.sizes import sized

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer

pytestmark = LINUX

_MIB = 1 << 20
# Of our tables and of the catalogs that a write could touch, TOAST and indexes included.
_SIZES = """
    SELECT c.oid::regclass::text, pg_total_relation_size(c.oid)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND (n.nspname = 'public' OR n.nspname = %s OR c.relname IN
        ('pg_class', 'pg_attribute', 'pg_proc', 'pg_trigger', 'pg_depend', 'pg_sequence',
         'pg_largeobject', 'pg_largeobject_metadata'))
"""
_STATEMENTS = "SELECT count(*) FROM pg_prepared_statements"


def resident(pid: int) -> int:
    """Return the bytes of memory that are a process's own."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no memory")


def facts(database: Journalled) -> tuple[dict[str, int], int, dict[str, int]]:
    """Return the sizes of relations, the number of prepared statements, the memory of both sides."""
    inner = database.reset._connection
    sizes: dict[str, Any] = dict(
        inner.execute(_SIZES, (database.reset._journal.schema,), prepare=False).fetchall()
    )
    [statements] = inner.execute(_STATEMENTS, prepare=False).fetchone() or (0,)
    gc.collect()
    memory = {"pytest": resident(os.getpid()), "backend": resident(inner.info.backend_pid)}
    return sizes, statements, memory


@pytest.mark.parametrize("times", sized("resets"))
def test_nothing_grows_however_often_a_test_is_undone(
    postgres_server: PostgresServer, times: int
) -> None:
    with journalled(postgres_server, *PEOPLE) as database, database.connect() as connection:

        def rounds(number: int) -> None:
            for n in range(number):
                connection.execute("INSERT INTO people (name) VALUES (%s)", (f"of test {n}",))
                connection.execute("UPDATE people SET score = %s WHERE name = 'ada'", (n,))
                connection.execute("DELETE FROM people WHERE name = 'bob'")
                connection.execute("SELECT lo_from_bytea(77, 'x')")
                database.reset.finish(f"test {n}")

        before = database.contents()
        # Long enough that the tables have been vacuumed twice: what is used again is there then.
        rounds(times)
        sizes, statements, memory = facts(database)
        rounds(times)
        sizes_after, statements_after, memory_after = facts(database)

        assert database.contents() == before
        assert database.replaced == 0

    assert sizes_after.keys() == sizes.keys()
    assert [
        (name, sizes[name], size)
        for name, size in sizes_after.items()
        if size > 1.5 * sizes[name] + 8 * 8192
    ] == []
    assert statements_after == statements
    assert {who: size - memory[who] > 16 * _MIB for who, size in memory_after.items()} == {
        "pytest": False,
        "backend": False,
    }
