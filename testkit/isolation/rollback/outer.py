"""The transaction that a test runs in: one session of the server, used by many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from testkit.core.messages import TestkitError
from testkit.isolation.queries.normal_form import on_one_line
from testkit.isolation.rollback.savepoints import FailedError, Savepoints
from testkit.isolation.rollback.turns import Turns
from testkit.isolation.rollback.words import Statement, read

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["NOTHING", "OuterTransaction"]

#: A command that does nothing, in the place of one that must not be sent.
NOTHING: Final = "SET LOCAL testkit.rolled_back = '1'"
_BEGIN: Final = f"BEGIN; {NOTHING}"
# Only the transaction itself knows this.
_STANDS: Final = "SELECT current_setting('testkit.rolled_back', true)"
_END: Final = "ROLLBACK; SELECT pg_advisory_unlock_all(); DEALLOCATE ALL"
_FAILED: Final = "current transaction is aborted, commands ignored until end of transaction block"

# What a new transaction defers. A name is looked up in the search path, so it has its schema.
_DEFERRED: Final = """
SELECT DISTINCT quote_ident(n.nspname) || '.' || quote_ident(c.conname), c.condeferred
FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE c.condeferrable
"""
# Tables that write the transaction's time by themselves.
_STAMPED: Final = r"""
SELECT DISTINCT c.relname FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
WHERE pg_get_expr(d.adbin, d.adrelid)
      ~* '\mnow\(\)|\mCURRENT_TIMESTAMP\M|\mtransaction_timestamp\(|\mLOCALTIMESTAMP\M'
"""
_MOST_CHARACTERS: Final = 300  # of a statement

Link = psycopg.Connection[tuple[Any, ...]]


class OuterTransaction:
    """Turns what its connections send into what leaves the transaction open.

    A connection has the transaction's turn (``turns``) for each call of these methods and until
    what they answer was sent.
    """

    def __init__(
        self, link: Link, name: Callable[[Hashable], str], note: Callable[[TestkitError], None]
    ) -> None:
        """``name`` tells, for a message, whose a connection is.

        ``note`` gets what the test did that this mode cannot show.
        """
        self.link, self.turns, self._name, self.note = link, Turns(), name, note
        #: Of the test that runs in it; connections have the number of theirs.
        self.number = 0
        self._savepoints = Savepoints()
        self._begun = self._unchecked = False
        self._ended: str | None = None
        self._last = ""
        self._stamped_by: set[object] = set()
        constraints = link.execute(_DEFERRED).fetchall()
        deferred = ", ".join(name for name, initially in constraints if initially)
        self._check = ""
        if constraints:
            defer = f"; SET CONSTRAINTS {deferred} DEFERRED" if deferred else ""
            self._check = f"SET CONSTRAINTS ALL IMMEDIATE{defer}"
        self._stamped = {table for (table,) in link.execute(_STAMPED.encode()).fetchall()}

    @property
    def aborted(self) -> bool:
        """Whether the server takes nothing but a rollback."""
        return self.link.pgconn.transaction_status == TransactionStatus.INERROR

    @property
    def begun(self) -> bool:
        """Whether the test has sent anything."""
        return self._begun

    def is_in_transaction(self, connection: Hashable) -> bool:
        """Return whether that connection has begun one, and not ended it."""
        return connection in self._savepoints.owners()

    # --- what a connection asks

    def statement(self, connection: Hashable, text: str) -> tuple[str, str | None]:
        """Return what is sent before a statement, and what is sent in its place, if anything.

        Raises psycopg's InFailedSqlTransaction as the server would for a transaction of one's own,
        NotSupportedError with TK377 for what would end all.
        """
        told = read(text)
        before = self._begin(text)
        instead: str | None = None
        match told.kind:
            case "prepare":
                words = TestkitError("TK377", statement=on_one_line(text, _MOST_CHARACTERS))
                raise psycopg.NotSupportedError(str(words))
            case "commit" | "rollback":  # the connection has seen to it
                return before, NOTHING
            case "rollback to" if self._back_to(connection, str(told.name)):
                return before, None
            case "begin" | "set":
                instead = NOTHING
            case "release" if not self._savepoints.release_savepoint(connection, str(told.name)):
                return before, NOTHING
        try:
            commands = self._savepoints.statement(
                connection, writes=told.writes, aborted=self.aborted
            )
        except FailedError:
            raise psycopg.errors.InFailedSqlTransaction(_FAILED) from None
        if told.kind == "savepoint":
            self._savepoints.set_savepoint(connection, str(told.name))
        self._note(connection, told, text)
        return "; ".join(filter(None, [before, *commands])), instead

    def begin(self, connection: Hashable) -> str:
        """Return what begins a transaction of that connection, where it is in none."""
        before = self._begin("")
        commands = self._savepoints.statement(connection, writes=False, aborted=self.aborted)
        return "; ".join(filter(None, [before, *commands]))

    def check(self, connection: Hashable) -> str:
        """Return what checks the constraints before a commit, if there are any.

        Where it fails the transaction is to be rolled back. Among others that have written it is
        put off to the end of the test: the check is of all that was written.
        """
        self._look()
        savepoints = self._savepoints
        if not self._check or not savepoints.can_commit(connection, aborted=self.aborted):
            return ""
        if not savepoints.is_alone(connection):
            self._unchecked = True
            return ""
        begin = savepoints.statement(connection, writes=False, aborted=self.aborted)
        return "; ".join([*begin, self._check])

    def commit(self, connection: Hashable) -> str:
        """Return what ends the transaction of that connection; one that failed is rolled back."""
        self._look()
        return "; ".join(self._savepoints.commit(connection, aborted=self.aborted))

    def rollback(self, connection: Hashable) -> str:
        """Return what undoes the transaction of that connection."""
        self._look()
        commands = self._savepoints.rollback(connection, aborted=self.aborted)
        self._note_lost()
        return "; ".join(commands)

    # --- its end

    def end(self) -> None:
        """Undo everything. Raises TK371 for a broken constraint, TK377 where something ended it."""
        if not self._begun:
            return
        commands = [self.rollback(owner) for owner in self._savepoints.owners()]
        self._look()
        ended, self._ended = self._ended, None
        try:
            if ended is None and not self._stands(commands):
                ended = self._last
            if self._unchecked and ended is None:
                self.link.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except psycopg.IntegrityError as error:
            raise TestkitError("TK371", reason=error.diag.message_primary) from error
        except psycopg.Error:
            # A session that the server has ended is rolled back by it.
            ended = None if self.link.closed else self._last
        finally:
            if not self.link.closed:
                self.link.execute(_END)
            self._savepoints, self._begun, self._unchecked = Savepoints(), False, False
            self._stamped_by.clear()
        if ended is not None:
            raise TestkitError("TK377", statement=on_one_line(ended, _MOST_CHARACTERS))

    def _stands(self, commands: list[str]) -> bool:
        """Send the commands, and return whether the transaction is still the one that was begun."""
        cursor = self.link.execute("; ".join(filter(None, [*commands, _STANDS])).encode())
        while cursor.nextset():
            pass
        return cursor.fetchone() == ("1",)

    def _look(self) -> bool:
        """Return whether the transaction is open; note where something has ended it."""
        open_ = self.link.pgconn.transaction_status != TransactionStatus.IDLE
        if self._begun and not open_:
            self._ended = self._ended or self._last
            self._savepoints = Savepoints()
        return open_

    def _begin(self, text: str) -> str:
        """Begin where nothing has begun, or where something has ended it all."""
        stands = self._look()
        self._last = text or self._last
        self._begun = True
        return "" if stands else _BEGIN

    def _back_to(self, connection: Hashable, name: str) -> bool:
        went = self._savepoints.rollback_to_savepoint(connection, name)
        self._note_lost()
        return went

    def _note_lost(self) -> None:
        for one, other in self._savepoints.lost:
            self.note(TestkitError("TK376", one=self._name(one), other=self._name(other)))

    def _note(self, connection: Hashable, told: Statement, text: str) -> None:
        shown = on_one_line(text, _MOST_CHARACTERS)
        if told.notifies:
            self.note(TestkitError("TK373", statement=shown))
        if told.characteristics:
            self.note(TestkitError("TK375", what=shown))
        if told.takes_time or told.table in self._stamped:
            self._stamped_by.add(self._savepoints.number(connection))
            if len(self._stamped_by) > 1:
                self.note(TestkitError("TK374", statement=shown))
