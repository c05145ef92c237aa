"""What undoes the tests of one process in its database, in every mode."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

from testkit.isolation.evidence import Evidence
from testkit.isolation.lock_waits import LockWaits
from testkit.isolation.patience import PATIENCE, SHORT_PATIENCE
from testkit.isolation.pools import PoolWatch
from testkit.isolation.reset import DatabaseReset
from testkit.isolation.rollback.mode import RollbackMode
from testkit.isolation.server_wide import ServerWide
from testkit.isolation.snapshots import Snapshots
from testkit.isolation.spares import SpareDatabases

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from testkit.core.current import Periods
    from testkit.core.messages import TestkitError
    from testkit.isolation.bill import Bill
    from testkit.isolation.database import Database
    from testkit.servers.postgres import PostgresServer

__all__ = ["DatabaseUndoing"]


class DatabaseUndoing:
    """Puts back what each test did to the database ``name`` of ``server``.

    ``alone``: no other process works on the server. ``next_owner`` gives numbers that are never
    used twice. Sites below ``root`` are told relative to it. It listens to SQLAlchemy until
    ``close``.
    """

    def __init__(
        self,
        database: Database,
        server: PostgresServer,
        name: str,
        *,
        alone: bool,
        periods: Periods,
        bill: Bill,
        root: str,
        next_owner: Callable[[], int],
    ) -> None:
        self.database, self.server, self.name = database, server, name
        self._periods, self._root = periods, root
        self._replaced = False
        self._mode = "reset"
        self.pools = PoolWatch(server.port, periods, bill, root)
        self.pools.start()
        database.followed = self.pools.followed
        # Where others work nothing may lie that only a thread knows.
        self._spares = SpareDatabases(server, name) if not server.shared else None
        self.reset = DatabaseReset(
            server,
            name,
            replaced=self._note_replaced,
            others=self.pools.others,
            origin=self.pools.origin,
            make=self._spares.replace if self._spares is not None else None,
        )
        self._server_wide = ServerWide(server, name, self.reset.ask, alone=alone)
        self._rollback: RollbackMode | None = None
        self.lock_waits = LockWaits(server, name)
        self.lock_waits.start()
        self._evidence = Evidence(server, name, bill)
        self._evidence.statements.start()
        self._snapshots = Snapshots(self.reset, next_owner)

    def begin_test(self, mode: str, period: int) -> None:
        """Begin to watch a test of that mode."""
        self._mode = mode
        self.database.snapshots = None if mode == "rollback" else self._snapshots
        if mode == "clone":
            if self._spares is not None:
                self._spares.start()
            self.reset.begin_clone()
        if mode == "rollback":
            self._rollback = self._rollback or RollbackMode(
                self.server,
                self.name,
                self._periods,
                self._root,
                is_of_the_test=self.pools.is_of_the_test,
                ask=self.reset.ask,
            )
            self._rollback.begin(period)
        elif self._rollback is not None:
            self._rollback.stand_by()

    def forget_the_last(self) -> None:
        """Forget what was noted of the test before."""
        self.lock_waits.take()  # of a test that passed all the same
        self.pools.note_others()
        self._evidence.statements.forget()

    def snapshot(self) -> str:
        """Return what is committed now, for ``claim``."""
        self._server_wide.note()
        return self.reset.snapshot()

    def claim(self, owner: int, since: str | None, who: str) -> None:
        """Let what was done since then stay until ``end``."""
        self.reset.claim(owner, since=since, who=who)
        self._server_wide.accept()

    def end(self, *owners: int, may_wait: bool = False) -> None:
        """Undo what owners had claimed, see ``DatabaseReset.end``."""
        try:
            self.reset.end(*owners, may_wait=may_wait)
        finally:
            self._server_wide.accept() if not self._replaced else self._server_wide.replaced()
            self._replaced = False

    def undo(self, who: str, period: int, *, cut_short: bool, ends_held: bool) -> None:
        """Undo what the test did. Raises as ``Isolation.finish_test``."""
        # Before: a database that is made anew has lost what the test did to the old one.
        self._server_wide.note()
        with contextlib.ExitStack() as rest:
            rest.callback(self._undo_rows, who, period, cut_short=cut_short, ends_held=ends_held)
            if self._mode == "rollback" and self._rollback is not None:
                self._rollback.end(cut_short=cut_short)

    def finish_server_wide(self, who: str) -> None:
        """Put back what the test did to the whole server. Raises TK331."""
        if self._replaced:
            self._server_wide.replaced()
        self._replaced = False
        self._server_wide.finish(who)

    def end_lock_holders(self) -> None:
        """End whoever holds an advisory lock that the next test may wait for. Raises TK302."""
        if self.reset.locked:
            self.reset.end_lock_holders(self.pools.withdraw)

    def give_up_snapshots(self) -> list[int]:
        """Return the owners of the snapshots of a test that is not undone."""
        return self._snapshots.give_up()

    def before_crash(self, asked: str) -> None:
        """Remember what a crash of the server takes along. Raises TK642."""
        self._server_wide.note()
        self.reset.before_crash(asked, mode=self._mode)

    def after_crash(self) -> None:
        """Go on with a server that was killed and started again."""
        self.reset.after_crash()

    def notes(self) -> list[TestkitError]:
        """Return what the last test did that its isolation cannot show."""
        return self._rollback.notes() if self._rollback is not None else []

    def evidence(self) -> str | None:
        """Return what the database tells of a test that failed just now, None if nothing."""
        return self._evidence.told()

    def used(self, others: Collection[int]) -> bool:
        """Return whether the test sent a statement, or committed what is none of these owners'."""
        if self._mode == "rollback":
            return False  # nothing is committed that could be kept
        if self._evidence.statements.lines():
            return True
        query = "SELECT EXISTS (SELECT FROM pg_testkit.journal WHERE owner <> ALL ('{%s}'))"
        return bool(self.reset.ask(query % ",".join(map(str, others)))[0][0])

    def undo_no_more(self) -> None:
        """Close the connections that undo."""
        self.reset.close()
        if self._spares is not None:
            self._spares.close()

    def close(self) -> None:
        """Take every listener out of SQLAlchemy."""
        if self._rollback is not None:
            self._rollback.stop()
        self.pools.stop()
        self.lock_waits.stop()
        self._evidence.statements.stop()

    def _undo_rows(self, who: str, period: int, *, cut_short: bool, ends_held: bool) -> None:
        held = self.pools.left_by(period, cut_short=cut_short)
        self._snapshots.end()
        undo = self.reset.exchange if self._mode == "clone" else self.reset.finish
        undo(
            who,
            patience=SHORT_PATIENCE if cut_short else PATIENCE,
            held=held,
            release=partial(self._release, period, ends=ends_held),
        )
        if self._mode == "rollback" and self._rollback is not None and self.reset.undid:
            self._rollback.others_committed()

    def _release(self, period: int, held: Collection[int], *, ends: bool) -> Collection[int]:
        """Close what can be closed of the checkouts; answer which of the rest are to be ended."""
        self.pools.close_sessions(held)
        return self.pools.followed.take_back(period) if ends else ()

    def _note_replaced(self) -> None:
        self._replaced = True
        if self._rollback is not None:
            self._rollback.replaced()
        self.pools.replaced()
