"""The profile of factories in one process of a run; the workers' are merged in the controller."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest

from testkit.core.current import current
from testkit.factories.profile import Profile, merged
from testkit.factories.profile_report import profile_lines
from testkit.isolation.queries.unread import StatementsOfTest, use_of
from testkit.isolation.queries.unseen import UnseenUse, schema_of, used_by_unknown

if TYPE_CHECKING:
    from testkit.isolation.queries.unread import Schema, Use
    from testkit.pytest_plugin.session import PluginSession

__all__ = ["Profiling", "begin", "of"]

_OUTPUT: Final = "testkit_profile"


class Profiling:
    """Fills ``current.profile``, and judges after each test what became of the rows."""

    def __init__(self, config: pytest.Config, session: PluginSession) -> None:
        self._config, self._session = config, session
        self._profile = current.profile = Profile()
        self._unseen = UnseenUse()
        self._unseen.begin()
        self._others: dict[str, Any] = {"wall": 0.0}  # of xdist's workers
        self._judged: dict[str, Any] = {"unread": [], "unclear": 0}
        self._begin_test()

    def _begin_test(self) -> None:
        self._work = self._profile.begin_test()
        self._statements = StatementsOfTest(self._profile.at_work_for)
        self._is_recording = False
        self._began = time.perf_counter()
        self._unseen.begin_test()

    def begin_test(self) -> None:
        """Begin to follow the running test."""
        self._begin_test()
        self.look_for_database()

    def look_for_database(self) -> None:
        """Record statements from now on, as soon as there is a database."""
        database = self._session.worker.database if self._session.isolates else None
        if database is not None and not self._is_recording and current.doing:
            self._is_recording = True
            database.queries.follow(self._statements)

    def finish_test(self, item: pytest.Item) -> None:
        """Judge the test that is over; not one that failed, or that wanted a factory to fail."""
        work, session = self._work, self._session
        if not work.rows or work.failed or session.cut_short or session.failed:
            return
        # No statement is sent for an object that a session holds: who has the session may read it.
        is_shared = work.others or not work.fixtures.isdisjoint(getattr(item, "fixturenames", ()))
        use = self._use()
        if use == "unread" and is_shared:
            use = "unclear"
        self._judged["unclear"] += use == "unclear"
        if use == "unread":
            self._judged["unread"].append([work.seconds, work.rows, item.nodeid])

    def _use(self) -> Use:
        if self._unseen.happened():
            return "unclear"
        seconds = time.perf_counter() - self._began
        try:
            use = use_of(self._statements.told, self._schema)
            if use == "unread":
                with self._connection() as connection:
                    if used_by_unknown(connection, self._unseen.pids, seconds=seconds):
                        return "unclear"
        except psycopg.Error:
            return "unclear"  # the server is gone, or does not say
        return use

    def _schema(self) -> Schema:
        with self._connection() as connection:
            return schema_of(connection)

    def _connection(self) -> psycopg.Connection:
        run = self._session.worker.run
        return run.ensure_postgres().connect(run.database)

    def heard(self, node: Any) -> None:
        """Add the profile of a worker of xdist."""
        self._others = merged(self._others, getattr(node, "workeroutput", {}).get(_OUTPUT, {}))

    def finished(self) -> None:
        """Hand this process' profile to the controller, where there is one."""
        getattr(self._config, "workeroutput", {})[_OUTPUT] = self._facts()

    def lines(self) -> list[str]:
        """Return the profile of the whole run."""
        # A controller that distributes only waits for the others.
        facts = self._others if self._others["wall"] else self._facts()
        return profile_lines(facts, wall=facts["wall"], verbose=self._config.get_verbosity() > 0)

    def end(self) -> None:
        """Listen no more."""
        self._unseen.end()

    def _facts(self) -> dict[str, Any]:
        wall = time.perf_counter() - self._session.began
        return {**self._profile.facts(), **self._judged, "wall": wall}


_key: Final = pytest.StashKey[Profiling]()


def begin(config: pytest.Config, session: PluginSession) -> None:
    """Begin to profile this process. Raises TK003 without the extra ``factories``."""
    config.stash[_key] = Profiling(config, session)


def of(config: pytest.Config) -> Profiling:
    """Return what ``begin`` made."""
    return config.stash[_key]
