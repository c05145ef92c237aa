"""In the process that runs the tests: what the record needs to know of each, on its reports.

Reports travel from xdist's workers to the controller with every attribute that is made of builtin
types, so what is caught here arrives where the record is written.
"""

from __future__ import annotations

import contextlib
from time import time
from typing import TYPE_CHECKING, Any, Final

from testkit.core.runs.failure import Failure
from testkit.core.runs.lines import chain_json, evidence_json
from testkit.core.runs.masking import without_secrets
from testkit.core.runs.signature import signature
from testkit.record.evidence import watching

if TYPE_CHECKING:
    import pytest

    from testkit.core.runs.failure import Phase

__all__ = ["ATTRIBUTE", "Catching", "cut", "plain"]

#: Of a report: a mapping of builtin types.
ATTRIBUTE: Final = "testkit_facts"
_MESSAGE: Final = 2000
_MARKS: Final = 10
_MARGIN: Final = 1000


class Catching:
    """Counts the tests of this process, and catches what is seen when one fails."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._order = -1
        self._began = time()
        self._running = ""
        watching.begin(config)

    def starts(self, item: pytest.Item) -> None:
        """Note that the set-up of a test begins: its next attempt where it was the last one."""
        if item.nodeid != self._running:
            self._order += 1
            self._running = item.nodeid
        self._began = time()
        watching.before_test(item)

    def set_up(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        """Note that a fixture was set up, or failed to be."""
        watching.after_fixture(fixturedef.argname)

    def ended(self, item: pytest.Item) -> None:
        """Note that a test was torn down."""
        watching.after_test(item)

    def reports(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> None:
        """Put on the report what the record tells of this phase."""
        facts: dict[str, Any] = {
            "order": self._order,
            "attempt": int(getattr(item, "execution_count", 1) or 1),
            "started": self._began,
        }
        if report.when == "call" or not report.passed:
            facts["marks"] = [mark.name for mark in item.iter_markers()][:_MARKS]
        if report.failed:
            with contextlib.suppress(Exception):  # items of plugins draw what they like
                facts |= self._failure(item, call, report)
        setattr(report, ATTRIBUTE, facts)

    def collected(self, report: pytest.CollectReport, call: pytest.CallInfo[Any]) -> None:
        """Put on the report of a module that could not be collected what the record tells."""
        from testkit.record.evidence.catch import caught  # a green run does not need it

        chain, evidence = caught(None, call, report)
        message = _crash_line(report)
        told = Failure(report.nodeid, report.nodeid, "collect", "error", message, chain, evidence)
        setattr(report, ATTRIBUTE, _facts(told))

    def end(self) -> None:
        """Watch no more."""
        watching.end()

    def _failure(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> dict[str, Any]:
        from testkit.record.evidence.catch import caught  # a green run does not need it

        chain, evidence = caught(item, call, report)
        phase: Phase = report.when if report.when in {"setup", "teardown"} else "call"
        message = _crash_line(report)
        file = report.nodeid.partition("::")[0]
        told = Failure(report.nodeid, file, phase, "failed", message, chain, evidence)
        return _facts(told)


def plain(value: Any) -> Any:
    """Return a value whose texts can be sent and written: no half of a surrogate pair is left."""
    match value:
        case str():
            return value if value.isascii() else value.encode(errors="replace").decode()
        case dict():
            return {plain(key): plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [plain(inner) for inner in value]
        case _:
            return value


def cut(text: str, most: int) -> str:
    """Return a text without its secrets, of at most ``most`` characters: of a longer one two ends.

    What is masked reaches beyond the cuts, so that none leaves the half of a secret.
    """
    if len(text) <= most:
        return without_secrets(text)
    head, tail = most * 3 // 5, most * 2 // 5
    begin = without_secrets(text[: head + _MARGIN])[:head]
    end = without_secrets(text[-tail - _MARGIN :])[-tail:]
    return f"{begin}\n… {len(text) - head - tail} characters …\n{end}"


def _facts(told: Failure) -> dict[str, Any]:
    return {
        "message": plain(told.message),
        "chain": plain(chain_json(told.chain)),
        "evidence": plain(evidence_json(told.evidence)),
        "signature": signature(told),
    }


def _crash_line(report: pytest.TestReport | pytest.CollectReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = getattr(crash, "message", None) or report.longreprtext
    return cut(text.strip(), _MESSAGE)
