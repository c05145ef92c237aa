"""Keeping the database of a test that has failed, and saying how it is opened."""

from __future__ import annotations

import contextlib
import os
import shlex
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.pytest_plugin.session import PluginSession
    from testkit.pytest_plugin.worker import Worker

__all__ = ["told_of", "watch"]

# By which a run ends, or a test is left out: no failure of the test.
_NO_FAILURE: Final = (KeyboardInterrupt, pytest.exit.Exception, pytest.skip.Exception)
# That the keeper of a server gets to say that it has ended.
_NEWS_SECONDS: Final = 1.0
# The tests of this process that have one of the run's places: a rerun takes none of its own.
_placed: Final = pytest.StashKey[set[str]]()


def told_of(item: pytest.Item, session: PluginSession, phase: str) -> str | None:
    """Return what the database tells of the test that failed, None if nothing.

    The last line says how the database is opened that was kept, or why none was.
    """
    parts = [session.worker.isolation.evidence(), _kept(item, session, phase)]
    return "\n".join(part for part in parts if part) or None


def watch(item: pytest.Item, session: PluginSession) -> None:
    """Keep the database also of a test whose fixtures fail when they are torn down.

    pytest's report of that comes when what the test did is undone.
    """
    if not session.settings.keep_failed:
        return
    item.__dict__.pop("addfinalizer", None)  # of the run before this one
    add = item.addfinalizer

    def add_watched(fin: Callable[[], object]) -> None:
        add(partial(_finish, fin, item, session))

    item.addfinalizer = add_watched  # type: ignore[method-assign]


def _finish(finalizer: Callable[[], object], item: pytest.Item, session: PluginSession) -> None:
    __tracebackhide__ = True
    try:
        finalizer()
    except _NO_FAILURE:
        raise
    except BaseException:
        if session.kept is None and (line := _kept(item, session, "teardown")) is not None:
            item.add_report_section("teardown", "testkit", line)
        raise


def _kept(item: pytest.Item, session: PluginSession, phase: str) -> str | None:
    """Keep the database once for each time that the test runs; answer the line about it."""
    if session.kept is None and session.settings.keep_failed and _used(session.worker):
        session.kept = _keep(item, session, phase)
    return session.kept


def _used(worker: Worker) -> bool:
    """Return whether the test, or a fixture of its own, did anything to the database."""
    if worker.database is None or worker.gone is not None:
        return False
    try:
        used = worker.isolation.used()
        return worker.written_to() if used is None else used
    except Exception:  # noqa: BLE001 - the test has failed already: its own error is the one to read
        return False


def _keep(item: pytest.Item, session: PluginSession, phase: str) -> str | None:
    from psycopg import OperationalError

    worker = session.worker
    try:
        if not _has_place(item, worker):
            return None
        from testkit.servers.kept.dump import dump_database
        from testkit.servers.kept.shelf import Origin, put

        server, database = worker.run.ensure_postgres(), worker.run.database
        origin = Origin(item.nodeid, phase, worker.run.token, worker.run.worker)
        with worker.isolation.bill.timed("databases kept"):
            put(item.config.rootpath, origin, lambda file: dump_database(server, database, file))
            if worker.settings.isolation == "none":
                worker.written_to()  # whatever pg_dump made the server write
    except Exception as error:  # noqa: BLE001 - the same
        if worker.look(seconds=_NEWS_SECONDS if isinstance(error, OperationalError) else 0):
            return None  # the run ends, and says so
        words = str(error).splitlines() or [type(error).__name__]
        told = TestkitError("TK351", reason=words[0], nodeid=item.nodeid)
        return str(told).splitlines()[0]
    return f"The database as the test left it: {_command(item)}"


def _has_place(item: pytest.Item, worker: Worker) -> bool:
    """Take one of the run's places; every process of the run draws from the same."""
    placed = item.config.stash.setdefault(_placed, set())
    if item.nodeid in placed:
        return True
    directory = worker.run.made()
    for number in range(worker.settings.keep_failed):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(directory / f"kept-{number}", os.O_CREAT | os.O_EXCL, 0o600))
            placed.add(item.nodeid)
            return True
    return False


def _command(item: pytest.Item) -> str:
    command = shlex.join(["testkit", "psql", item.nodeid])
    root, here = item.config.rootpath, item.config.invocation_params.dir
    if root in (here, *here.parents):
        return command
    return f"cd {shlex.quote(str(root))} && {command}"  # where it will be looked for
