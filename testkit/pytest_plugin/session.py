"""The plugin's state in one pytest process: from the configuration to the last teardown."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.core.current import Periods, current
from testkit.core.messages import TestkitError, missing_extra
from testkit.core.options import OPTIONS, read_settings, refuse_unknown_flags
from testkit.core.surroundings import libpq_variables, server_variables
from testkit.pytest_plugin.invocation import (
    Variables,
    count_processes,
    distributes,
    fixtures_of,
    inline_table,
    only_looks,
    place_in_run,
    project_table,
    run_has_servers,
    seed_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from testkit.core.draws import Draws
    from testkit.core.options import Settings
    from testkit.isolation.guard import Guard
    from testkit.isolation.refusals import Refusals
    from testkit.pytest_plugin.drawing import Drawing
    from testkit.pytest_plugin.worker import Worker

__all__ = ["PluginSession", "extras_named", "key", "plain_errors"]

# Inherited by xdist's workers: the run's token and the pid of its controller.
_RUN: Final = "TESTKIT_RUN"
# Under which a worker tells its controller that a server is gone.
_GONE: Final = "testkit_gone"
_NOT_UNDONE: Final = "testkit_not_undone"
_FIXTURES: Final = {
    "database": {"postgres_server", "database", "db_session", "async_db_session"},
    "redis": {"redis_server", "redis_client", "async_redis_client"},
}


class PluginSession:
    """Knows the settings, and makes the ``Worker`` when something needs it."""

    def __init__(self, config: pytest.Config, arguments: Sequence[str]) -> None:
        self.began = time.perf_counter()
        self.bills: list[dict[str, Any]] = []  # of xdist's workers
        self._config = config
        self._options = config.known_args_namespace
        self._variables = Variables()
        self._worker: Worker | None = None
        self._guard: Guard | None = None
        self._refusals: Refusals | None = None
        self._drawing: dict[str, Drawing] = {}  # at most one
        self._moment = "before the first test"
        self._periods = Periods()
        self.cut_short, self.failed = True, False
        self.kept: str | None = None  # what was said of the test's database
        self._told, self._not_undone = False, 0
        self._mode_of: Callable[[pytest.Item, Settings], str] | None = None
        self._gone: str | None = None
        self.name, self.token, self.controller = place_in_run(_RUN)
        self._variables.set({_RUN: f"{self.token}:{self.controller}"})
        try:
            refuse_unknown_flags(arguments)
            self.settings = read_settings(
                table=project_table(config),
                environ=os.environ,
                parse_table=inline_table,
                command_line={
                    option.key: getattr(self._options, f"testkit_{option.key}", None)
                    for option in OPTIONS
                },
            )
        except TestkitError as error:
            raise pytest.UsageError(str(error)) from error
        seed, uuid = seed_of(self.settings.seed, self.token), int(self.settings.uuid_version)
        self._outer = current.begin_run(self.draws, seed=seed, uuid_version=uuid)
        self._libpq = libpq_variables(os.environ)
        self.ignored = server_variables(os.environ)

    def draws(self) -> Draws:
        """Return what this process draws from, made for who draws first."""
        if not self._drawing:
            from testkit.pytest_plugin.drawing import Drawing

            # Of threads that draw first at once, one makes it.
            self._drawing.setdefault("", Drawing(self._config.rootpath, self.name, current))
        return self._drawing[""].draws

    def _remember(self) -> Refusals:
        """Return what remembers refusals, made for who may refuse first."""
        if self._refusals is None:
            from testkit.isolation.refusals import Refusals

            self._refusals = Refusals(self._moment)
        return self._refusals

    @property
    def worker(self) -> Worker:
        """Return the process' servers and isolation, made at the first use."""
        if self._worker is None:
            with extras_named():
                from testkit.pytest_plugin.worker import Worker
            # They would reach every connection of the tests: PGSSLMODE, PGSERVICE, PGHOST …
            self._variables.set(dict.fromkeys(self._libpq))
            self._worker = Worker(
                self.settings,
                self._config.rootpath,
                token=self.token,
                controller=self.controller,
                name=self.name,
                workers=count_processes(self._options, self.name),
                periods=self._periods,
                refusals=self._remember(),
            )
        return self._worker

    @property
    def isolates(self) -> bool:
        """Return whether there is anything to undo in this process."""
        return self._worker is not None

    def begin(self) -> None:
        """With ``env``: fix the addresses, set the variables, start the servers."""
        if not self.settings.env:
            return
        try:
            with extras_named():
                self._variables.set(self._environment())
        except TestkitError as error:
            raise pytest.UsageError(str(error)) from error
        from testkit.isolation.guard import Guard

        self._guard = Guard(self.settings.allow_hosts, self._remember())
        self._guard.begin()
        if only_looks(self._options):
            return
        capture = self._config.pluginmanager.getplugin("capturemanager")
        visible = capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()
        try:
            with visible:  # what is being built, and what failed
                problem = self.worker.start_named()
        except KeyboardInterrupt:
            # pytest handles one only later; the keepers end what was begun.
            sys.stderr.write("\ntestkit: interrupted while the servers started\n")
            raise SystemExit(pytest.ExitCode.INTERRUPTED) from None
        if problem is not None:
            # Now: a conftest that connects will fail for it. pytest_sessionstart ends the run.
            self.tell(problem)

    def _environment(self) -> Mapping[str, str]:
        """Return the variables of ``env``; where nothing will run, they lead nowhere."""
        if not only_looks(self._options):
            return self.worker.environment()
        from testkit.core.addresses import NOWHERE, expand_env

        return expand_env(self.settings.env, NOWHERE)

    def tell(self, problem: BaseException) -> None:
        """Write our own message on standard error, once."""
        if isinstance(problem, ModuleNotFoundError):
            problem = missing_extra(problem.name or "", sys.executable) or problem
        if isinstance(problem, TestkitError) and not self._told:
            self._told = True
            sys.stderr.write(f"\n{problem}\n\n")

    def choose_modes(self, items: Sequence[pytest.Item]) -> None:
        """Note which isolation each test asked for, where any did. Raises TK308."""
        conftests = any(
            hasattr(plugin, "pytestmark") for plugin in self._config.pluginmanager.get_plugins()
        )
        if conftests or any(item.get_closest_marker("isolation") for item in items):
            from testkit.pytest_plugin import modes

            self._mode_of = modes.mode_of
            modes.choose_modes(items, self.settings, modes.folder_marks(self._config))
        if any(item.get_closest_marker("leaks") for item in items):
            _part("leaks").check_markers(items)

    def _mode(self, item: pytest.Item) -> str:
        return self._mode_of(item, self.settings) if self._mode_of else self.settings.isolation

    def collected(self, items: Sequence[pytest.Item]) -> None:
        """Start in the background what the collected tests will ask for."""
        asked = {name for item in items for name in fixtures_of(item)}
        kinds = {kind for kind, fixtures in _FIXTURES.items() if asked & fixtures}
        if kinds and not self.settings.env and not only_looks(self._options):
            # What goes wrong here goes wrong again, and is reported, when the test asks.
            with contextlib.suppress(TestkitError), extras_named():
                self.worker.start_early(kinds)

    def wait(self) -> None:
        """Connect to the servers started by ``begin``. Raises TestkitError."""
        if self._worker is not None and self.settings.env:
            with extras_named():
                self._worker.wait()

    def begin_test(self, item: pytest.Item) -> None:
        """Undo the test behind its own fixtures' teardown and before that of wider ones."""
        request = getattr(item, "_request", None)
        current.begin_test(item.nodeid)
        current.request = request
        current.session = request and (lambda: request.getfixturevalue("db_session"))
        self.cut_short = True  # until a report says otherwise: an exit makes none
        self.failed, self.kept = False, None
        self._periods.turn()
        period = self._periods.now
        self._moment = item.nodeid
        if self._refusals is not None:
            self._refusals.begin_test(item.nodeid)
        mode = self._mode(item)
        self._not_undone += mode == "none"
        if self._worker is not None:
            _part("keeping").watch(item, self)
            with plain_errors():
                self._worker.isolation.begin_test(mode)
        teardown = item.teardown

        def undo() -> None:
            # Node.teardown is the first finalizer that pytest puts on the item's stack, hence the
            # last to run: after function-scoped fixtures, before the module's.
            item.teardown = teardown  # type: ignore[method-assign]
            current.end_test()
            try:
                teardown()
            except BaseException:
                self.cut_short = True
                raise
            finally:
                self._periods.turn()
                if self._worker is not None:
                    try:
                        _part("leaks").finish_test(
                            item,
                            self._worker,
                            period=period,
                            cut_short=self.cut_short,
                            undone=mode != "none",
                        )
                    finally:
                        self._end_run_here(item.session)

        item.teardown = undo  # type: ignore[method-assign]

    def end_fixture(self, fixture: object, item: pytest.Item) -> None:
        """Undo what a wider-scoped fixture did, now that it ended behind that test."""
        _part("leaks").end_fixture(item, self.worker, fixture)

    def _end_run_here(self, session: pytest.Session) -> None:
        """Tear everything down where the run ends with this test."""
        # Too late for pytest to see: it would do so behind the last test, as an internal error.
        if self._stops(session):
            session._setupstate.teardown_exact(None)  # noqa: SLF001 - no public way

    def failed_by(self, error: BaseException) -> list[str]:
        """Note what a test, or the import of one, failed by; answer what is to be said of it."""
        if self._refusals is not None:
            self._refusals.told(error)
        waits = self._worker and self._worker.isolation.lock_waits
        if not waits:
            return []
        waits.told(error)
        return waits.take()

    @contextlib.contextmanager
    def refusals_told(self, item: pytest.Item) -> Iterator[None]:
        """Fail the test at its end by what was refused and its code caught."""
        try:
            yield
        except BaseException as error:
            self.failed_by(error)
            if message := self._refusals and self._refusals.finish_test(item.nodeid):
                item.add_report_section("teardown", "testkit", message)
            raise
        if message := self._refusals and self._refusals.finish_test(item.nodeid):
            pytest.fail(message, pytrace=False)

    def failed_in(self, item: pytest.Item) -> None:
        """Note that the test failed; where a server is gone, it is the last one."""
        self.failed = self.cut_short = True
        if self._worker is not None:
            self._worker.look()
            self._stops(item.session)

    def _stops(self, session: pytest.Session) -> bool:
        """Let the run end with this test where a server is gone."""
        if self._worker is None or self._worker.gone is None:
            return False
        self._gone = str(self._worker.gone)
        session.shouldstop = "testkit: a server of this run is gone"
        return True

    def heard(self, node: object) -> None:
        """Note what a worker of xdist says at its end."""
        said = getattr(node, "workeroutput", {})
        self._gone = self._gone or said.get(_GONE)
        self._not_undone += said.get(_NOT_UNDONE, 0)

    def finished(self, session: pytest.Session) -> None:
        """Give a run whose server is gone the exit code 3; let a worker's controller know."""
        self._stops(session)
        getattr(self._config, "workeroutput", {})[_NOT_UNDONE] = self._not_undone
        if self._gone is not None:
            session.exitstatus = 3
            getattr(self._config, "workeroutput", {})[_GONE] = self._gone

    @contextlib.contextmanager
    def outside_the_test(self, fixture: object, doing: str) -> Iterator[None]:
        """Hide what is the test's while a wider-scoped fixture is set up."""
        with current.apart(fixture, doing), self._periods.apart():
            yield

    def header(self) -> list[str]:
        """Return what stands in the report header: nothing in a project that set nothing up."""
        if not self.settings.configured:
            return []
        from testkit.pytest_plugin.report import header_lines

        return header_lines(
            self.settings,
            self._worker,
            seed=current.seed,
            ignored=self.ignored,
            distributing=distributes(self._options, self.name),
        )

    def summary(self) -> list[str]:
        """Return the server that is gone; those started although no header announced them."""
        if self._gone is not None:
            return ["", *self._gone.splitlines()]
        lines = []
        if self._not_undone and self.settings.isolation != "none":
            lines.append(
                f"testkit: {self._not_undone} tests ran without isolation, by their marker"
            )
        if not self.settings.configured and self._worker is not None:
            from testkit.pytest_plugin.report import server_lines

            lines += server_lines(self._worker)
        return lines

    def end(self) -> None:
        """Stop the servers, restore the environment and the libraries."""
        try:
            if self._worker is not None:
                self._worker.refuse_no_more()
            if self._guard is not None:
                self._guard.end()  # behind what was put before it
            for message in self._refusals.left() if self._refusals else ():
                sys.stderr.write(f"\n{message}\n")
            distributing = distributes(self._options, self.name)
            if self._worker is not None or (distributing and run_has_servers(self.token)):
                self.worker.close()
        finally:
            current.end_run(self._outer)
            for drawing in self._drawing.values():
                drawing.end()
            self._variables.restore()


key: Final = pytest.StashKey[PluginSession]()


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
    """Turn our messages into failures that show the message and no traceback of ours."""
    try:
        with extras_named():
            yield
    except TestkitError as error:
        # A reset in trouble may find more: both are the test's.
        told = [e for e in (error.__context__, error) if isinstance(e, TestkitError)]
        raise pytest.fail.Exception("\n\n".join(map(str, told)), pytrace=False) from None


@contextlib.contextmanager
def extras_named() -> Iterator[None]:
    """Raise TK003 for a module that an extra of ours would bring."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "", sys.executable) or error from error


def _part(name: str) -> ModuleType:
    return import_module(f"testkit.pytest_plugin.{name}")  # where there is a worker only
