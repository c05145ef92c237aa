"""How a database says that it is testkit's: a comment, and a lock that its process holds.

The comment names what it is for, the process that it was made by, and the database in which that
process holds an advisory lock of its name. The lock is the word of the server itself: it is free
when the process is gone, also where that ran on another machine.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from testkit.servers.ownership.records import owner_in, owner_text, state_of
from testkit.servers.ownership.verdicts import DEAD, IN_USE
from testkit.system.processes import here

if TYPE_CHECKING:
    from testkit.servers.postgres import Connection
    from testkit.system.processes import ProcessIdentity

__all__ = [
    "DATABASE",
    "DRAFT",
    "TEMPLATE",
    "drop_database",
    "lock",
    "mark_database",
    "mark_text",
    "marks",
    "owned_by",
    "sweep_databases",
]

DATABASE: Final = "database"
DRAFT: Final = "draft"
TEMPLATE: Final = "template"
_MARK: Final = "testkit: "  # what the comment begins with
# What sets the advisory locks of testkit apart from an application's.
_SEED: Final = 0x746B6974  # "tkit"
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtextextended(%s, %s))"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtextextended(%s, %s))"


def owned_by(kind: str, owner: ProcessIdentity, place: str, run: str = "") -> dict[str, object]:
    """Return the facts of a database that goes with a process; ``place`` is where its lock is."""
    return {"kind": kind, "run": run, "owner": owner_text(owner), "place": place}


def mark_text(facts: dict[str, object]) -> str:
    """Return the comment with these facts."""
    return _MARK + json.dumps(facts)


def mark_database(connection: Connection, name: str, facts: dict[str, object]) -> None:
    """Write the facts into the comment on a database."""
    connection.execute(
        sql.SQL("COMMENT ON DATABASE {} IS {}").format(
            sql.Identifier(name), sql.Literal(mark_text(facts))
        )
    )


def marks(connection: Connection) -> dict[str, dict[str, object]]:
    """Return the databases of this role that testkit made, with what their comments say."""
    rows = connection.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"
        " WHERE datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
        " AND shobj_description(oid, 'pg_database') LIKE %s",
        (_MARK + "%",),
    ).fetchall()
    found = {}
    for name, text in rows:
        with contextlib.suppress(ValueError):  # somebody else's words
            facts = json.loads(str(text).removeprefix(_MARK))
            if isinstance(facts, dict):
                found[str(name)] = facts
    return found


def lock(connection: Connection, name: str) -> bool:
    """Take the lock of a name until the connection ends; answer whether it was free."""
    return connection.execute(_LOCK, (name, _SEED)).fetchone() == (True,)


def drop_database(connection: Connection, name: str) -> None:
    """Drop a database that testkit made; its sessions are ended."""
    quoted = sql.Identifier(name)
    with contextlib.suppress(psycopg.errors.InvalidCatalogName):
        connection.execute(sql.SQL("ALTER DATABASE {} IS_TEMPLATE false").format(quoted))
    end_prepared(connection, name)
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))


def end_prepared(connection: Connection, name: str) -> None:
    """Roll back what was prepared in a database and never finished: no DROP ends that."""
    query = "SELECT gid FROM pg_prepared_xacts WHERE database = %s"
    left = connection.execute(query, (name,)).fetchall()
    if not left:
        return
    info = connection.info
    place: dict[str, Any] = info.get_parameters() | {"dbname": name, "password": info.password}
    # Only from within its own database.
    with psycopg.connect(**place, autocommit=True) as inside:
        for (gid,) in left:
            with contextlib.suppress(psycopg.errors.UndefinedObject):
                inside.execute(sql.SQL("ROLLBACK PREPARED {}").format(gid))


def sweep_databases(connection: Connection, *, look: bool = False) -> list[str]:
    """Drop databases and drafts of this role whose process is gone; answer their names.

    With ``look`` nothing is dropped.
    """
    gone = []
    for name, facts in marks(connection).items():
        if facts.get("kind") not in (DATABASE, DRAFT):
            continue
        verdict = _is_gone(facts)
        if verdict is None:
            # Another machine's, or another container's. Locks are of one database each: elsewhere
            # a free one says nothing.
            verdict = facts.get("place") == connection.info.dbname and lock(connection, name)
        if not verdict:
            continue
        try:
            if not look:
                drop_database(connection, name)
            gone.append(name)
        finally:
            connection.execute(_UNLOCK, (name, _SEED))
    return gone


def _is_gone(facts: dict[str, object]) -> bool | None:
    """Return whether the process that the facts name is gone, None where that is not known here."""
    owner = owner_in(str(facts.get("owner")))
    if owner is None or owner.boot != here()[0]:
        return None
    return {IN_USE: False, DEAD: True}.get(state_of(owner))
