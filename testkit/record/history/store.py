"""The database of the history: what goes into it, and what comes out again."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from testkit.core.messages import TestkitError
from testkit.record.history.run import Result, Run, run_of
from testkit.system.project_folder import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = ["MOST_RUNS", "database_of", "first_seen", "known_tests", "runs_of", "take", "work_at"]

#: How many runs stay.
MOST_RUNS: Final = 500
_VERSION: Final = 1
_OURS: Final = 0x7465_7374
_PATIENCE: Final = 5.0
_SCHEMA: Final = (
    """CREATE TABLE run (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, started TEXT NOT NULL,
       "commit" TEXT NOT NULL, dirty INTEGER, exitstatus INTEGER NOT NULL)""",
    "CREATE TABLE test (number INTEGER PRIMARY KEY, nodeid TEXT NOT NULL UNIQUE)",
    """CREATE TABLE result (run INTEGER NOT NULL, test INTEGER NOT NULL, attempt INTEGER NOT NULL,
       outcome TEXT NOT NULL, setup REAL, call REAL, teardown REAL, worker TEXT NOT NULL,
       place INTEGER NOT NULL, signature TEXT NOT NULL, PRIMARY KEY (run, test, attempt))
       WITHOUT ROWID""",
    "CREATE INDEX result_of_test ON result (test)",
    "CREATE INDEX result_of_signature ON result (signature, run) WHERE signature <> ''",
    f"PRAGMA application_id = {_OURS}",
    f"PRAGMA user_version = {_VERSION}",
)
_RESULTS: Final = """
    SELECT result.run, test.nodeid, attempt, outcome, setup, call, teardown, worker, place,
        signature
    FROM result JOIN test ON test.number = result.test
"""


def database_of(option: str, root: Path) -> Path | None:
    """Return the file that the option ``history`` names, None for none. Raises TK730 for a URL."""
    if not option:
        return None
    if "://" in option:
        # A URL may hold a password: only its scheme is told.
        raise TestkitError("TK730", scheme=option.partition("://")[0][:40])
    return root / option


def take(record: Path, database: Path) -> bool:
    """Add the run of a record, and whether it was new: twice is once, a run without end is none.

    The oldest runs go where there are more than 500. Raises TK731, TK732.
    """
    with _told(database):
        run = run_of(_lines(record))
        if run is None:
            return False
        _make(database)
        with work_at(database) as connection:
            connection.execute("BEGIN IMMEDIATE")
            _check(connection, database)
            new = _add(connection, run)
            _remove_old(connection)
            connection.commit()
            return new


@contextlib.contextmanager
def work_at(database: Path) -> Iterator[sqlite3.Connection]:
    """Open the history for a while; nothing is made. Raises TK731, TK732, TK733."""
    if not database.is_file():
        raise TestkitError("TK733", database=database)
    with (
        _told(database),
        contextlib.closing(
            # rw: also to roll back what a killed run left; a file that may only be read is read.
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=rw", timeout=_PATIENCE, uri=True)
        ) as connection,
    ):
        connection.isolation_level = None
        connection.execute("PRAGMA trusted_schema = OFF")
        yield connection


def first_seen(database: Path) -> dict[str, str]:
    """Return signature of a failure to the UTC time of the first run that had it.

    Empty where there is no history, or none that can be used: that is for who asks for it.
    """
    with contextlib.suppress(TestkitError), work_at(database) as connection, _told(database):
        found = connection.execute(
            "SELECT signature, min(started) FROM result JOIN run ON run.number = result.run"
            " WHERE signature <> '' GROUP BY signature"
        )
        return dict(found)
    return {}


def runs_of(connection: sqlite3.Connection, database: Path) -> list[Run]:
    """Return all runs with their results, oldest first. Raises TK731 to TK733."""
    with _told(database):
        connection.execute("BEGIN")
        if not _is_filled(connection, database):
            raise TestkitError("TK733", database=database)
        results: defaultdict[int, list[Result]] = defaultdict(list)
        for number, *told in connection.execute(_RESULTS):
            results[number].append(Result(*told))
        found = [
            Run(
                name,
                started,
                commit,
                None if dirty is None else bool(dirty),
                status,
                (*results[n],),
            )
            for n, name, started, commit, dirty, status in connection.execute(
                'SELECT number, id, started, "commit", dirty, exitstatus FROM run'
                " ORDER BY started, number"
            )
        ]
        connection.rollback()
        return found


def known_tests(runs: Sequence[Run]) -> set[str]:
    """Return the node ids of all tests that the history knows."""
    return {result.nodeid for run in runs for result in run.results}


def _make(database: Path) -> None:
    """Make the file, and its folder; only its owner can read it."""
    if database.exists():
        if not database.is_file():
            raise TestkitError("TK731", database=database, problem="it is no file")
        return
    if database.parent.name == ".testkit":
        make_folder(database.parent.parent, "runs")  # with what keeps it out of a repository
    database.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(database, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def _check(connection: sqlite3.Connection, database: Path) -> None:
    if not _is_filled(connection, database):
        for statement in _SCHEMA:
            connection.execute(statement)


def _is_filled(connection: sqlite3.Connection, database: Path) -> bool:
    """Return whether it is a history, False where it is empty. Raises TK731, TK732."""
    (whose,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if whose == _OURS and version > _VERSION:
        raise TestkitError("TK732", database=database, version=version)
    if tables and whose != _OURS:
        raise TestkitError("TK731", database=database, problem="it is a database of something else")
    return bool(tables)


def _add(connection: sqlite3.Connection, run: Run) -> bool:
    added = connection.execute(
        'INSERT OR IGNORE INTO run (id, started, "commit", dirty, exitstatus)'
        " VALUES (?, ?, ?, ?, ?)",
        (_plain(run.id), _plain(run.started), _plain(run.commit), run.dirty, run.exitstatus),
    )
    if added.rowcount < 1:
        return False
    number = added.lastrowid
    connection.executemany(
        "INSERT OR IGNORE INTO test (nodeid) VALUES (?)",
        [(_plain(result.nodeid),) for result in run.results],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO result SELECT ?, number, ?, ?, ?, ?, ?, ?, ?, ? FROM test"
        " WHERE nodeid = ?",
        [
            (
                number,
                *(r.attempt, r.outcome, r.setup, r.call, r.teardown, _plain(r.worker), r.order),
                *(_plain(r.signature), _plain(r.nodeid)),
            )
            for r in run.results
        ],
    )
    return True


def _remove_old(connection: sqlite3.Connection) -> None:
    old = connection.execute(
        "SELECT number FROM run ORDER BY started DESC, number DESC LIMIT -1 OFFSET ?", (MOST_RUNS,)
    ).fetchall()
    if not old:
        return
    connection.executemany("DELETE FROM result WHERE run = ?", old)
    connection.executemany("DELETE FROM run WHERE number = ?", old)
    connection.execute(
        "DELETE FROM test WHERE NOT EXISTS (SELECT 1 FROM result WHERE result.test = test.number)"
    )


def _lines(record: Path) -> Iterator[dict[str, Any]]:
    with record.open("rb") as lines:
        for text in lines:
            try:
                line = json.loads(text)
            except (ValueError, RecursionError):
                continue
            if isinstance(line, dict):
                yield line


def _plain(text: str) -> str:
    """Return the text as a database takes it: halves of pairs of surrogates spelt out."""
    return text.encode("utf-8", "backslashreplace").decode()


@contextlib.contextmanager
def _told(database: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise TestkitError("TK731", database=database, problem=error) from error
    except OSError as error:
        problem = error.strerror or error
        raise TestkitError("TK731", database=database, problem=problem) from error
