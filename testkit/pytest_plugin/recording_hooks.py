"""The hooks that only a recorded run needs; ``hooks.py`` registers them where one is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.messages import TestkitError
from testkit.pytest_plugin import causes_table
from testkit.pytest_plugin.catching import Catching
from testkit.pytest_plugin.recording import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from testkit.core.options import Settings

__all__ = ["RecordingHooks"]


class RecordingHooks:
    """Catches in each process that runs tests; writes in the one that started them all."""

    def __init__(
        self,
        config: pytest.Config,
        settings: Settings,
        *,
        run: str,
        seed: int | None,
        backends: Callable[[], Sequence[str]],
    ) -> None:
        self._config = config
        self._summary = settings.summary
        self._history = settings.history
        self._backends = backends
        self._note = ""
        self._catching: Catching | None = None
        self.recording: Recording | None = None
        if not hasattr(config, "workerinput"):
            self.recording = Recording(config, run=run, keep=settings.runs, seed=seed)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests were selected."""
        if self.recording is not None and session.items:
            self.recording.selected([item.nodeid for item in session.items])

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Leave no child process beside the tests."""
        if self.recording is not None:
            self.recording.settle()
        return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Note which tests the workers of xdist selected."""
        del node
        if self.recording is not None:
            self.recording.selected(ids)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count what was deselected."""
        if self.recording is not None:
            self.recording.deselected(len(items))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Catch by what the collection of a module failed."""
        report = yield
        call = getattr(report, "call", None)
        if report.failed and call is not None and call.excinfo is not None:
            self._caught().collected(report, call)
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Write that a module could not be collected."""
        if self.recording is not None and report.failed:
            self.recording.collect_failed(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note that a test begins."""
        self._caught().starts(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        """Note what a fixture changed before its test ran."""
        try:
            return (yield)
        finally:
            self._caught().set_up(fixturedef)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """Note what a test left behind."""
        try:
            return (yield)
        finally:
            self._caught().ended(item)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Catch what is seen when a test fails."""
        report = yield
        self._caught().reports(item, call, report)
        return report

    @pytest.hookimpl(trylast=True)  # pytest decides there whether a test with subtests failed
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write what a report tells."""
        if self.recording is not None:
            self.recording.report(report)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: Any) -> None:
        """Note that a worker of xdist is there."""
        if self.recording is not None:
            self.recording.worker(str(node.gateway.id), "started")

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Note that a worker of xdist has ended, and how."""
        if self.recording is not None:
            what = "crashed" if error else "ended"
            self.recording.worker(str(node.gateway.id), what, error=str(error or ""))

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Note which test a worker ran when it crashed."""
        if self.recording is not None:
            node = getattr(report, "node", None)
            name = str(node.gateway.id) if node is not None else ""
            self.recording.worker(name, "crashed", **{"while": crashitem})

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that somebody interrupted the run, or that xdist did after too many failures."""
        if self.recording is not None:
            self.recording.cut_by(_reason(str(excinfo.value)))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(
        self, session: pytest.Session, exitstatus: int
    ) -> Generator[None, object, object]:
        """Write the last line."""
        try:
            return (yield)
        finally:
            if self.recording is not None:
                if reason := session.shouldfail or session.shouldstop:
                    self.recording.cut_by(_reason(str(reason)))
                self.recording.finish(
                    int(session.exitstatus or exitstatus), backends=self._backends()
                )
                self._remember(self.recording)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where a red run was recorded, or why a run was not."""
        recording = self.recording
        if recording is None:
            return
        if self._summary == "causes":
            causes_table.write(
                terminalreporter, self._config, recording.failures, recording.counts()
            )
        if self._note:
            terminalreporter.write_line(self._note)
        if recording.note:
            terminalreporter.write_line(recording.note)
        if recording.path is not None and (recording.is_red or self._config.get_verbosity() > 0):
            path = recording.path.relative_to(self._config.rootpath)
            terminalreporter.write_line(f"testkit: recorded in {path}: testkit triage")

    def pytest_unconfigure(self) -> None:
        """End what was begun, also where the run never got to its first test."""
        if self._catching is not None:
            self._catching.end()
        if self.recording is not None:
            self.recording.finish(int(pytest.ExitCode.INTERNAL_ERROR))

    def _remember(self, recording: Recording) -> None:
        """Add the run to the history; what keeps it from that is a note."""
        from testkit.record.history.store import database_of, take  # sqlite3

        try:
            database = database_of(self._history, self._config.rootpath)
            if database is not None and recording.path is not None:
                take(recording.path, database)
        except TestkitError as error:
            self._note = f"testkit: {str(error).splitlines()[0]}"

    def _caught(self) -> Catching:
        if self._catching is None:
            self._catching = Catching(self._config)
        return self._catching


def _reason(said: str) -> str:
    return "maxfail" if "stopping after" in said else "interrupted"
