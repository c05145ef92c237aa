"""In the controller: from pytest's reports to the lines of the run's record."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.core.messages import TestkitError
from testkit.core.runs.lines import VERSION, failure_from
from testkit.core.runs.masking import without_secrets
from testkit.pytest_plugin.catching import ATTRIBUTE, cut, plain
from testkit.pytest_plugin.causes_table import MOST
from testkit.record.files import remove_old
from testkit.record.surroundings import Commit, masked_arguments, surroundings
from testkit.record.writer import RecordWriter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testkit.core.runs.failure import Failure

__all__ = ["Recording"]

_PIECE: Final = 1000
_TEXT: Final = 20_000
#: Which outcome counts of a test that has several, worst first.
_WORST: Final = ("error", "failed", "xpassed", "xfailed", "skipped", "passed", "rerun")
_RANK: Final = {outcome: rank for rank, outcome in enumerate(_WORST)}


class Recording:
    """The record of one run; where it cannot be written, a note, and the run goes on."""

    def __init__(self, config: pytest.Config, *, run: str, keep: int, seed: int | None) -> None:
        self._config = config
        self._clock = monotonic()
        self._started = time()
        self._outcomes: dict[str, str] = {}
        self._held: dict[tuple[str, str], dict[str, Any]] = {}
        self._setups: dict[tuple[str, str], float] = {}
        self._parts: dict[str, int] = {}
        self._collected: set[tuple[str, str]] = set()
        self._deselected = 0
        self._selected: Sequence[str] | None = None
        self._cut = ""
        self._writer: RecordWriter | None = None
        self._ended = False
        self.failures: list[Failure] = []
        self.note = ""
        self.is_red = False
        now = datetime.now(UTC)
        try:
            root = config.rootpath
            name = f"{now:%Y-%m-%dT%H%M%S}.{now.microsecond // 1000:03}Z"
            self._writer = RecordWriter.begin(root, started=name, run=run)
            remove_old(root, keep=keep)
        except (OSError, TestkitError) as error:
            self._lose(error)
        self._git = Commit(config.rootpath)
        self._write(self._run_line(now, run, seed))

    @property
    def path(self) -> Path | None:
        """Where the record lies, None where it could not be written."""
        return self._writer.path if self._writer is not None else None

    def settle(self) -> None:
        """End what runs beside the collection: tests find no child process but their own."""
        self._git.settle()

    def selected(self, nodeids: Sequence[str]) -> None:
        """Write which tests were selected: once, whichever worker says so first."""
        if self._selected is not None:
            return
        self._selected = nodeids
        for begin in range(0, max(len(nodeids), 1), _PIECE):
            piece = list(nodeids[begin : begin + _PIECE])
            line: dict[str, Any] = {"kind": "selected", "nodeids": piece}
            if begin == 0:
                line["deselected"] = self._deselected
            self._write(line)

    def deselected(self, count: int) -> None:
        """Count tests that were deselected."""
        self._deselected += count

    def collect_failed(self, report: pytest.CollectReport) -> None:
        """Write that a module could not be collected: once, although each worker says so."""
        try:
            self._collect_failed(report)
        except Exception as error:  # noqa: BLE001 - as with the report of a test
            self._miss(error)

    def _collect_failed(self, report: pytest.CollectReport) -> None:
        facts = getattr(report, ATTRIBUTE, {})
        text = _drawn(report)
        known = report.nodeid, facts.get("message", text[-200:])
        if known in self._collected:
            return
        self._collected.add(known)
        self._count(report.nodeid, "error")
        line = {
            "kind": "collect",
            "nodeid": report.nodeid,
            "file": report.nodeid.partition("::")[0],
            "worker": _worker(report),
            "phase": "collect",
            "outcome": "error",
            **facts,
            "text": text,
        }
        self._write(line)
        self._keep(line)

    def worker(self, name: str, what: str, **more: str) -> None:
        """Write what befell a worker of xdist."""
        told = {key: without_secrets(value) for key, value in more.items() if value}
        self._write({"kind": "worker", "worker": name, "what": what, **told})

    def report(self, report: pytest.TestReport) -> None:
        """Write what a report tells: of a failure at once, else when the test has ended.

        One of a form that nobody expected is left out with a note: the run goes on.
        """
        try:
            self._report(report)
        except Exception as error:  # noqa: BLE001 - plugins put what they like on reports
            self._miss(error)

    def _report(self, report: pytest.TestReport) -> None:
        test = _worker(report), report.nodeid
        outcome = _outcome(report)
        subtest = _subtest(report)
        if report.when == "setup" and outcome == "passed":
            self._setups[test] = report.duration
            return
        if subtest and outcome == "passed":
            return
        if report.when == "teardown" and outcome == "passed":
            self._release(test, teardown=report.duration)
            self._setups.pop(test, None)
            return
        line = self._line(report, outcome)
        if subtest:
            line["subtest"] = subtest
            self._parts[report.nodeid] = self._parts.get(report.nodeid, 0) + (outcome == "failed")
        elif outcome == "failed" and self._parts.get(report.nodeid):
            # pytest fails a test for its subtests, which have lines of their own.
            line["sums"] = self._parts[report.nodeid]
        self._count(report.nodeid, outcome)
        if report.when == "call" and outcome not in {"failed", "error", "rerun"} and not subtest:
            self._held[test] = line
            return
        self._release(test)
        self._write(line)
        self._keep(line)

    def cut_by(self, reason: str) -> None:
        """Note why fewer tests run than were selected."""
        self._cut = self._cut or reason

    def counts(self) -> dict[str, int]:
        """Return how many tests had which outcome, the worst of each."""
        return dict(Counter(self._outcomes.values()))

    def finish(self, exitstatus: int, *, backends: Sequence[str] = ()) -> None:
        """Write the last line, with the servers that were used; twice is once."""
        if self._ended:
            return
        self._ended = True
        for test in list(self._held):
            self._release(test)
        counts = self.counts()
        self.is_red = bool(counts.get("failed") or counts.get("error"))
        line: dict[str, Any] = {
            "kind": "end",
            "exitstatus": exitstatus,
            "counts": counts,
            "seconds": round(monotonic() - self._clock, 3),
            "cut": self._cut,
        }
        if backends:
            line["backends"] = list(backends)
        self.settle()
        if self._git.dirty is not None:
            line["dirty"] = self._git.dirty
        self._write(line)
        if self._writer is not None:
            self._writer.close()

    def _run_line(self, now: datetime, run: str, seed: int | None) -> dict[str, Any]:
        option = self._config.option
        return {
            "kind": "run",
            "version": VERSION,
            "id": run,
            "started": now.isoformat(timespec="milliseconds"),
            "testkit": version("cos-testkit"),
            "argv": masked_arguments(self._config.invocation_params.args),
            "root": str(self._config.rootpath),
            "pytest": pytest.__version__,
            "git": {"commit": self._git.commit, "branch": self._git.branch},
            "seeds": {
                "testkit": seed,
                "randomly": getattr(option, "randomly_seed", None),
                "hash": os.environ.get("PYTHONHASHSEED", ""),
            },
            "workers": len(getattr(option, "tx", None) or ()),
            **surroundings(),
        }

    def _line(self, report: pytest.TestReport, outcome: str) -> dict[str, Any]:
        test = _worker(report), report.nodeid
        phase = report.when if report.when in {"setup", "teardown"} else "call"
        facts = dict(getattr(report, ATTRIBUTE, {}))
        started = facts.pop("started", None)
        line: dict[str, Any] = {
            "kind": "test",
            "nodeid": plain(report.nodeid),
            "file": plain(report.nodeid.partition("::")[0]),
            "worker": test[0],
            "phase": phase,
            "outcome": outcome,
            "attempt": int(getattr(report, "rerun", 0) or 0) + 1,
        }
        if test in self._setups and phase != "setup":
            line["setup"] = round(self._setups[test], 6)
        line[phase] = round(report.duration, 6)
        if started is not None:
            line["began"] = round(started - self._started, 6)
        line |= facts
        if outcome in {"failed", "error", "rerun"}:
            line["text"] = _drawn(report)
            line.setdefault("message", line["text"].strip()[-_PIECE:])
        elif outcome != "passed" and (reason := _reason(report)):
            line["reason"] = reason
        return line

    def _release(self, test: tuple[str, str], *, teardown: float | None = None) -> None:
        line = self._held.pop(test, None)
        if line is not None:
            if teardown is not None:
                line["teardown"] = round(teardown, 6)
            self._write(line)

    def _keep(self, line: dict[str, Any]) -> None:
        """Keep a failure for the table at the end; what was run again is none yet."""
        if line["outcome"] not in {"failed", "error"} or line.get("sums"):
            return
        failure = failure_from(line)
        if failure is not None and len(self.failures) < MOST:
            self.failures.append(failure)

    def _count(self, nodeid: str, outcome: str) -> None:
        known = self._outcomes.get(nodeid)
        if known is None or known == "rerun" or _RANK[outcome] < _RANK[known]:
            self._outcomes[nodeid] = outcome

    def _write(self, line: dict[str, Any]) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(line)
        except OSError as error:
            self._lose(error)
        except (TypeError, ValueError, RecursionError) as error:
            self._miss(error)

    def _miss(self, error: Exception) -> None:
        told = TestkitError("TK670", problem=f"one line less, {type(error).__name__}")
        self.note = self.note or f"testkit: {str(told).splitlines()[0]}"

    def _lose(self, error: OSError | TestkitError) -> None:
        said = (error.strerror if isinstance(error, OSError) else None) or str(error)
        told = TestkitError("TK670", problem=said.splitlines()[0].rstrip("."))
        self.note = f"testkit: {str(told).splitlines()[0]}"
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _worker(report: pytest.TestReport | pytest.CollectReport) -> str:
    node = getattr(report, "node", None)
    return str(node.gateway.id) if node is not None else "master"


def _outcome(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xpassed" if report.passed else "xfailed"
    if report.failed:
        return "error" if report.when in {"setup", "teardown"} else "failed"
    return str(report.outcome)


def _subtest(report: pytest.TestReport) -> str:
    context = getattr(report, "context", None)
    if context is None:
        return ""
    # From a worker of xdist the values come as texts in quotes.
    kwargs = ", ".join(f"{name}={_shown(value)}" for name, value in (context.kwargs or {}).items())
    words = [f"[{_shown(context.msg)}]"] if context.msg is not None else []
    words += [f"({kwargs})"] if kwargs else []
    return str(plain(without_secrets(" ".join(words) or "(<subtest>)")))


def _shown(value: object) -> str:
    if type(value) in {str, int, float, bool, type(None)}:
        return str(value).strip("'\"")
    return f"<{type(value).__name__}>"


def _drawn(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(plain(cut(report.longreprtext, _TEXT)))


def _reason(report: pytest.TestReport) -> str:
    told = getattr(report, "wasxfail", None)
    if told is None and isinstance(report.longrepr, tuple):
        told = report.longrepr[2]
    return str(plain(cut(str(told or ""), _PIECE))).removeprefix("Skipped: ")
