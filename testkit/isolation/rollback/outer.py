"""The transaction that a test runs in: one session of the server, used by many connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import TransactionStatus

from testkit.core.messages import TestkitError
from testkit.isolation.queries.normal_form import on_one_line
from testkit.isolation.rollback.catalog import Catalog
from testkit.isolation.rollback.savepoints import FailedError, Savepoints
from testkit.isolation.rollback.turns import Turns
from testkit.isolation.rollback.words import Statement, read

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

__all__ = ["OuterTransaction"]

# A command that does nothing, in the place of one that must not be sent.
_NOTHING: Final = "SET LOCAL testkit.rolled_back = '1'"
_BEGIN: Final = f"BEGIN; {_NOTHING}"
# Only the transaction itself knows this.
_STANDS: Final = "SELECT current_setting('testkit.rolled_back', true)"
_END: Final = "ROLLBACK; SELECT pg_advisory_unlock_all(); DEALLOCATE ALL"
_FAILED: Final = "current transaction is aborted, commands ignored until end of transaction block"
# What a setting was before the transaction's first SET LOCAL, kept in one of our own. Both go
# together where they are rolled back.
_KEEP: Final = (
    "SELECT set_config('{kept}', 'v' || coalesce(current_setting('{name}', true), ''), true)"
    " WHERE coalesce(current_setting('{kept}', true), '') = ''"
)
_PUT_BACK: Final = (
    "SELECT set_config('{name}', substr(current_setting('{kept}'), 2), true),"
    " set_config('{kept}', '', true) WHERE coalesce(current_setting('{kept}', true), '') <> ''"
)
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
        #: How often anything was asked of it.
        self.asked = 0
        self._savepoints = Savepoints()
        self._begun = self._unchecked = False
        self._ended: str | None = None
        self._last = ""
        self._stamped_by: set[object] = set()
        self._local: dict[Hashable, dict[str, str]] = {}
        self._catalog = Catalog(link)

    @property
    def aborted(self) -> bool:
        """Whether the server takes nothing but a rollback."""
        return self.link.pgconn.transaction_status == TransactionStatus.INERROR

    @property
    def busy(self) -> bool:
        """Whether the server is at work for a statement whose sender has gone."""
        return self.link.pgconn.transaction_status == TransactionStatus.ACTIVE

    def is_in_transaction(self, connection: Hashable) -> bool:
        """Return whether that connection has begun one, and not ended it."""
        return connection in self._savepoints.owners()

    # --- what a connection asks

    def statement(
        self, connection: Hashable, text: str, *, holds: bool = False
    ) -> tuple[str, str | None]:
        """Return what is sent before a statement, and what is sent in its place, if anything.

        ``holds`` where it opens a cursor on the server. Raises psycopg's InFailedSqlTransaction as
        the server would for a transaction of one's own, NotSupportedError with TK377 for what would
        end all.
        """
        told = read(text)
        begin = self._begin(text)
        try:
            before, instead = self._before(connection, told, text, holds=holds)
        except FailedError:
            raise psycopg.errors.InFailedSqlTransaction(_FAILED) from None
        return _joined([begin, *before]), instead

    def _before(
        self, connection: Hashable, told: Statement, text: str, *, holds: bool
    ) -> tuple[list[str], str | None]:
        savepoints, aborted = self._savepoints, self.aborted
        nested: list[str] | None = None
        match told.kind:
            case "prepare":
                raise psycopg.NotSupportedError(str(TestkitError("TK377", statement=_shown(text))))
            case "commit" | "rollback":  # the connection has seen to it
                return [], _NOTHING
            case "savepoint":
                nested = savepoints.savepoint(connection, str(told.name), aborted=aborted)
            case "release":
                nested = savepoints.release(connection, str(told.name), aborted=aborted)
            case "rollback to":
                nested = savepoints.rollback_to(connection, str(told.name), aborted=aborted)
                self._note_lost()
        if nested is not None:
            return nested, _NOTHING
        writes = self._catalog.writes(told) or told.writes
        commands = savepoints.statement(connection, writes=writes, holds=holds, aborted=aborted)
        self._note(connection, told, text)
        if told.kind in {"begin", "set"}:
            return commands, _NOTHING
        if not aborted:
            commands += self._keep(connection, told)
        return commands, None

    def check(self, connection: Hashable) -> str:
        """Return what checks the constraints before a commit, if there are any.

        Where it fails the transaction is to be rolled back. Among others that have written it is
        put off to the end of the test, with all checks behind it: it is of all that was written.
        """
        self._look()
        savepoints, check = self._savepoints, self._catalog.check()
        if not check or self._unchecked:
            return ""
        if not savepoints.can_commit(connection, aborted=self.aborted):
            return ""
        if not savepoints.is_alone(connection):
            self._unchecked = True
            return ""
        begin = savepoints.statement(connection, writes=False, aborted=self.aborted)
        return _joined([*begin, check])

    def commit(self, connection: Hashable) -> str:
        """Return what ends the transaction of that connection; one that failed is rolled back."""
        self._look()
        if not self._savepoints.can_commit(connection, aborted=self.aborted):
            return self.rollback(connection)
        put_back = self._put_back(connection)
        if put_back:  # in a piece of its own: nothing may be sent in another's
            aborted = self.aborted
            begin = self._savepoints.statement(connection, writes=False, aborted=aborted)
            put_back = [*begin, *put_back]
        aborted = self.aborted and not put_back
        return _joined([*put_back, *self._savepoints.commit(connection, aborted=aborted)])

    def rollback(self, connection: Hashable) -> str:
        """Return what undoes the transaction of that connection."""
        self._look()
        commands = self._savepoints.rollback(connection, aborted=self.aborted)
        self._note_lost()
        put_back = self._put_back(connection)
        if self.aborted and not commands:
            put_back = []  # the other one's rollback takes it along
        return _joined([*commands, *put_back])

    # --- its end

    def end(self) -> None:
        """Undo everything. Raises TK371 for a broken constraint, TK377 where something ended it.

        And TK379 where its session has ended.
        """
        if not self._begun:
            return
        if self.link.closed:
            self._forget()
            raise TestkitError("TK379", statement=_shown(self._last))
        self._look()
        ended, self._ended = self._ended, None
        try:
            if ended is None and not self._stands():
                ended = self._last
            if self._unchecked and ended is None:
                self._check_all()
        except psycopg.Error:
            ended = self._last
        finally:
            self._forget()
            self._say(_END)
        if ended is not None:
            self._say("DISCARD ALL")  # what was committed with it
            raise TestkitError("TK377", statement=_shown(ended))

    def _check_all(self) -> None:
        """Raise TK371 where a constraint does not hold, or a trigger that is one raises."""
        try:
            self.link.execute("SET CONSTRAINTS ALL IMMEDIATE")
        except psycopg.DatabaseError as error:
            raise TestkitError("TK371", reason=error.diag.message_primary or error) from error

    def _say(self, commands: str) -> None:
        if not self.link.closed:
            self.link.execute(commands.encode())

    def _forget(self) -> None:
        self._savepoints, self._begun, self._unchecked = Savepoints(), False, False
        self._stamped_by.clear()
        self._local.clear()
        self._catalog.forget()

    def _stands(self) -> bool:
        """Undo what is open, and return whether the transaction is still the one that was begun."""
        commands: list[str] = []
        for owner in self._savepoints.owners():
            aborted = self.aborted and not commands
            # Whatever lies above goes as well, and none of it is lost: all is undone.
            commands += self._savepoints.rollback(owner, aborted=aborted)
        cursor = self.link.execute(_joined([*commands, _STANDS]).encode())
        while cursor.nextset():
            pass
        return cursor.fetchone() == ("1",)

    def _look(self) -> bool:
        """Return whether the transaction is open; note where something has ended it."""
        self.asked += 1
        open_ = self.link.pgconn.transaction_status != TransactionStatus.IDLE
        if self._begun and not open_ and not self.link.closed:
            self._ended = self._ended or self._last
            self._savepoints = Savepoints()
            self._local.clear()
        return open_

    def _begin(self, text: str) -> str:
        """Begin where nothing has begun, or where something has ended it all."""
        stands = self._look()
        self._last = text or self._last
        self._begun = True
        return "" if stands else _BEGIN

    # --- settings of a transaction

    def _keep(self, connection: Hashable, told: Statement) -> list[str]:
        kept = self._local.setdefault(connection, {}) if told.local else {}
        for name in told.local:
            number = self._savepoints.number(connection)
            kept.setdefault(name, f"testkit.kept_{number}_{len(kept)}")
        return [_KEEP.format(name=name, kept=kept[name]) for name in told.local]

    def _put_back(self, connection: Hashable) -> list[str]:
        kept = self._local.pop(connection, {})
        return [_PUT_BACK.format(name=name, kept=key) for name, key in reversed(kept.items())]

    # --- what cannot be shown

    def _note_lost(self) -> None:
        for one, other in self._savepoints.lost:
            self.note(TestkitError("TK376", one=self._name(one), other=self._name(other)))
        self._savepoints.lost.clear()

    def _note(self, connection: Hashable, told: Statement, text: str) -> None:
        if told.notifies:
            self.note(TestkitError("TK373", statement=_shown(text)))
        if told.of_its_own:
            self.note(TestkitError("TK375", what=_shown(text)))
        if told.takes_time or told.table in self._catalog.stamped:
            self._stamped_by.add(self._savepoints.number(connection))
            if len(self._stamped_by) > 1:
                self.note(TestkitError("TK374", statement=_shown(text)))


def _joined(commands: list[str]) -> str:
    return "; ".join(filter(None, commands))


def _shown(text: str) -> str:
    """Return a statement for a message."""
    return on_one_line(text, _MOST_CHARACTERS)
