"""Templates inside a running server: for servers whose files testkit cannot copy.

A template is keyed by its content and shared by all runs that use the server. It is built under
another name and renamed when it is whole, so that a half-built one is never used; its comment says
that it is testkit's and when it was last used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import time
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import sql

from testkit.servers.ownership.marks import (
    DRAFT,
    TEMPLATE,
    drop_database,
    lock,
    mark_database,
    marks,
    owned_by,
)
from testkit.servers.postgres import BUILTIN_LOCALES
from testkit.servers.schema.contents import Contents

if TYPE_CHECKING:
    from testkit.servers.postgres import Connection, PostgresServer
    from testkit.servers.run import Run

__all__ = ["served_template", "template_name"]

_PREFIX: Final = "testkit_template_"
_DRAFT: Final = "testkit_draft_"
_DAY_SECONDS: Final = 24 * 3600
_KEPT_SECONDS: Final = 30 * _DAY_SECONDS
_TELL_SECONDS: Final = 1.0


def served_template(server: PostgresServer, run: Run, *, words: str) -> PostgresServer:
    """Return the server with its ``template`` set to the project's, built now if it is not there.

    ``words`` is what, beside version and contents, a template depends on. Raises TK201 to TK205.
    """
    began = time.perf_counter()
    with _contents(run) as contents, server.connect() as connection:
        key = _key(contents, server, words)
        name = _PREFIX + key
        _lock(connection, key, run)
        found = marks(connection).get(name)
        if found is None:
            run.progress("applying the schema to a template (once per content)")
            contents.load()
            _build(server, connection, contents, name, run)
        elif time.time() - _used(found) > _DAY_SECONDS:
            _note_use(connection, name)
        _collect(connection)
    run.template_seconds += time.perf_counter() - began
    return dataclasses.replace(server, template=name)


def template_name(server: PostgresServer, run: Run, *, words: str) -> str:
    """Return the name that the project's template has there, built or not.

    Raises TK203 to TK205.
    """
    with _contents(run) as contents:
        return _PREFIX + _key(contents, server, words)


def _contents(run: Run) -> Contents:
    return Contents(run.settings, run.root, run.finish, run.cache / "fingerprints")


def _key(contents: Contents, server: PostgresServer, words: str) -> str:
    return contents.key(f"{words} {server.version} {server.user}")


def _lock(connection: Connection, key: str, run: Run) -> None:
    """Hold the lock of this template until the connection ends."""
    began, told = time.monotonic(), False
    while True:
        if lock(connection, key):
            return
        if not told and time.monotonic() - began > _TELL_SECONDS:
            told = True
            run.progress("waiting for another run that builds the template")
        time.sleep(0.02)


def _build(
    server: PostgresServer, connection: Connection, contents: Contents, name: str, run: Run
) -> None:
    # Locks are of one database each: who builds by way of another one has another draft.
    place = hashlib.sha256(connection.info.dbname.encode()).hexdigest()[:8]
    draft = f"{_DRAFT}{name.removeprefix(_PREFIX)}_{place}"
    drop_database(connection, draft)  # of a run that was killed: we hold the lock of this name
    try:
        _create(connection, server.major, draft)
        facts = owned_by(DRAFT, run.me, connection.info.dbname, run.token)
        mark_database(connection, draft, facts)
        contents.fill(server, draft)
        _note_use(connection, draft)  # a comment follows its database
        quoted = sql.Identifier(draft)
        connection.execute(
            sql.SQL("ALTER DATABASE {} RENAME TO {}").format(quoted, sql.Identifier(name))
        )
    except psycopg.errors.DuplicateDatabase:
        drop_database(connection, draft)  # somebody else has just built the same
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            drop_database(connection, draft)
        raise


def _create(connection: Connection, major: int, name: str) -> None:
    """Make an empty database that sorts and folds texts as on every other road."""
    locales = ["LOCALE 'C'"]
    if major >= BUILTIN_LOCALES:
        locales.insert(0, "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'")
    else:
        locales.insert(0, "LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'")
    for number, locale in enumerate(locales, 1):
        try:
            connection.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' ").format(
                    sql.Identifier(name)
                )
                + sql.SQL(locale)
            )
        except psycopg.errors.WrongObjectType:
            # Its system has no such locale: letters beyond ASCII have no cases there.
            if number == len(locales):
                raise
        else:
            return


def _note_use(connection: Connection, name: str) -> None:
    mark_database(connection, name, {"kind": TEMPLATE, "used": int(time.time())})


def _used(facts: dict[str, object]) -> float:
    used = facts.get("used")
    return used if isinstance(used, int) else time.time()


def _collect(connection: Connection) -> None:
    """Drop the templates that no run has used for a month."""
    oldest = time.time() - _KEPT_SECONDS
    for name, facts in marks(connection).items():
        if facts.get("kind") != TEMPLATE or _used(facts) > oldest:
            continue
        # Whoever is about to copy it holds its lock, and has noted the use by then.
        if lock(connection, name.removeprefix(_PREFIX)):
            again = marks(connection).get(name)
            if again is not None and _used(again) < oldest:
                with contextlib.suppress(psycopg.Error):
                    drop_database(connection, name)
