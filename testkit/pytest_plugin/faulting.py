"""The fixture ``faults`` in a test: what it stands on, and its end."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import pytest

from testkit.core.addresses import expand_env, kinds_named
from testkit.core.current import current
from testkit.core.messages import TestkitError
from testkit.faults.faults import Faults
from testkit.faults.routes import Routes
from testkit.faults.verdict import never_struck
from testkit.pytest_plugin.invocation import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.addresses import Address
    from testkit.faults.servers import ServerFaults
    from testkit.pytest_plugin.worker import Worker

__all__ = ["Faulting"]

_LINES: Final = 20  # of the log in the report of a failed test
_SHARED: Final = "all engines share one connection in the isolation rollback"


class Faulting:
    """The relays of the running test, in one process."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.routes = Routes()
        self._variables = Variables()
        self._led: dict[str, Address] = {}
        self._faults: Faults | None = None
        self._mode, self._excused = "reset", False

    def begin(self, item: pytest.Item, mode: str) -> Faults:
        """Return what the test gets; nothing is started before it asks for a relay."""
        seed = current.seed or 0
        root = f"{self._worker.run.root}/"
        self._mode, self._excused = mode, False
        self._faults = Faults(self, nodeid=item.nodeid, seed=seed, root=root)
        return self._faults

    def told(self) -> str:
        """Return the end of the log, for the report of a failed test."""
        lines = self._faults.log.tail(_LINES) if self._faults is not None else []
        return "\n".join(["What passed the relays (faults.log):", *lines]) if lines else ""

    def excuse(self) -> None:
        """Note that the test skipped itself: it owes no fault."""
        self._excused = True

    def end_faults(self) -> None:
        """End the faults of the test; its relays pass bytes on as they are. Twice is once."""
        if self._faults is not None:
            self._faults.end()

    @contextlib.contextmanager
    def ending(self, item: pytest.Item, *, cut_short: bool) -> Iterator[None]:
        """End the faults before what runs inside, and the relays behind it.

        So what the test left in use through a relay is seen as what it left elsewhere. Then the
        test fails with TK600 where a fault never struck; where it was ``cut_short`` that is a note.
        """
        faults = self._faults
        if faults is None:
            yield
            return
        told = ""
        try:
            try:
                self.end_faults()
                told = self._never_struck(faults, item.nodeid)
            finally:
                yield
        except pytest.fail.Exception as error:
            if not told or cut_short:
                raise
            raise pytest.fail.Exception(f"{error.msg}\n\n{told}", pytrace=False) from None
        finally:
            self._faults = None
            faults.close()
        if told and cut_short:
            item.add_report_section("teardown", "testkit", told)
        elif told:
            pytest.fail(told, pytrace=False)

    def _never_struck(self, faults: Faults, nodeid: str) -> str:
        lines = "" if self._excused else never_struck(faults.declared, faults.log)
        return str(TestkitError("TK600", faults=lines, where=nodeid)) if lines else ""

    def close(self) -> None:
        """Put every library back as it was."""
        self.routes.close()

    # --- what the relays need

    def address(self, kind: str) -> Address:
        """Return where a server of this worker is. Raises TK602 for a session that is shared."""
        if kind == "redis":
            return self._worker.ensure_redis().address
        if self._mode == "rollback":
            raise TestkitError("TK602", what="faults.postgres", reason=_SHARED)
        self._worker.ensure_database()
        return self._worker.run.database_address()

    def server_faults(self, kind: str) -> ServerFaults:
        """Return what may be done to a server of this worker. Raises TK640."""
        worker = self._worker
        return worker.redis_faults() if kind == "redis" else worker.postgres_faults()

    def lead(self, kind: str, address: Address) -> None:
        """Let the variables of ``env`` that name a server lead to a relay in front of it."""
        env = self._worker.settings.env
        self._led[kind] = address
        named = {name: text for name, text in env.items() if kind in kinds_named({name: text})}
        if named:
            run = self._worker.run
            real = {"database": run.database_address, "redis": run.redis_address}
            places = {k: self._led.get(k) or real[k]() for k in kinds_named(named)}
            self._variables.set(dict(expand_env(named, places)))

    def restore(self) -> None:
        """Let the variables lead to the servers again."""
        self._variables.restore()
        self._variables, self._led = Variables(), {}
