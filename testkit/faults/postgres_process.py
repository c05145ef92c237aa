"""The Postgres of this run, as faults disturb it where it is this process' alone."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Final, Protocol

import psycopg
from psycopg import pq

from testkit.core.messages import TestkitError
from testkit.faults.kept_process import KeptProcess
from testkit.servers.postgres import start_again

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.servers import Data
    from testkit.servers.postgres import Connection, PostgresServer

__all__ = ["Journalled", "PostgresContainer", "PostgresProcess"]

_ATTEMPTS: Final = 10
_SECONDS: Final = 0.2  # that writing the log down takes at most, if nobody is in the way
# A transaction that has written something, so that its end is waited for until it is written down.
_FLUSH: Final = b"SELECT pg_logical_emit_message(true, 'testkit', '')"


class Journalled(Protocol):
    """What undoes the tests of this process in its database."""

    def before_crash(self, asked: str) -> None:
        """Remember what does not outlive a crash. Raises TK642 where that is impossible."""

    def after_crash(self) -> None:
        """Go on with a server that was started again."""


class PostgresProcess(KeptProcess):
    """A program that testkit started for one process.

    ``database`` is made anew where data is lost; ``started`` is called when the server runs again.
    """

    def __init__(
        self,
        server: PostgresServer,
        database: str,
        journalled: Journalled | None,
        started: Callable[[], None],
    ) -> None:
        assert server.kept is not None
        super().__init__(server, server.kept)
        self._server, self._kept = server, server.kept
        self._database, self._journalled, self._started = database, journalled, started

    def kill(self, data: Data) -> None:
        """End it and every backend by SIGKILL. Raises TK642, TK643."""
        if self._journalled is not None:
            self._journalled.before_crash(f"kill(data={data!r})")
        self._flush()
        self._kept.tell("kill")

    def start(self, data: Data) -> None:
        """Start it again; it recovers what was written down. Raises TK101."""
        self._kept.tell("kill")  # what kills it may have been interrupted
        start_again(self._server)
        if data == "lost":
            self._server.create_database(self._database)
        if self._journalled is not None:
            self._journalled.after_crash()
        self._started()

    def _flush(self) -> None:
        """Pause all but our own backend when all that was acknowledged is written down."""
        try:
            reason = self._flushed()
        except psycopg.Error as error:
            reason = " ".join(str(error).split())
        if reason is not None:
            self._kept.tell("resume")
            raise TestkitError("TK643", server="Postgres", reason=reason, place=self.place)

    def _flushed(self) -> str | None:
        # Commits do not wait for that (synchronous_commit is off), so nobody may commit meanwhile.
        with self._server.connect() as connection:
            connection.execute("SET synchronous_commit = on")
            for _ in range(_ATTEMPTS):
                self._kept.tell("pause", connection.info.backend_pid)
                connection.pgconn.send_query(_FLUSH)
                connection.pgconn.flush()
                written = select.select([connection.fileno()], [], [], _SECONDS)[0]
                if not written:
                    # Somebody was paused while he held a lock of the log.
                    self._kept.tell("resume")
                problem = _answer(connection)
                if written and problem is None:
                    return None
        return problem or "somebody holds the log"


class PostgresContainer(KeptProcess):
    """A Postgres in a container: it can be paused, and its data, in RAM, go with its end."""

    def kill(self, _data: Data) -> None:
        """Raise TK640."""
        raise TestkitError(
            "TK640",
            server="Postgres",
            why="its data lie in the memory of its container, and go with that",
            place=self.place,
            otherwise='on the programs of this machine (postgres = "embedded" or "local")',
        )

    def start(self, data: Data) -> None:
        """Never called: it is not killed."""


def _answer(connection: Connection) -> str | None:
    problem = None
    while (result := connection.pgconn.get_result()) is not None:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            problem = result.error_message.decode(errors="replace").strip()
    return problem
