"""Loaded into the pytest of one experiment: exactly these tests, in this order, one outcome told.

``--replay FILE`` is JSON with ``nodeids`` and ``answer``, a path. The answer is ``{"outcome": …}``
of the last of them, or ``{"missing": [...]}`` where some were not collected.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Replay", "pytest_addoption", "pytest_configure"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the file of the experiment."""
    parser.addoption("--replay", metavar="FILE")


def pytest_configure(config: pytest.Config) -> None:
    """Load what keeps the order."""
    told = json.loads(Path(config.getoption("--replay")).read_text("utf-8"))
    config.pluginmanager.register(Replay(told["nodeids"], Path(told["answer"])), "testkit-replay")


class Replay:
    """Keeps the order, and writes what became of the last test."""

    def __init__(self, nodeids: Sequence[str], answer: Path) -> None:
        self._nodeids = nodeids
        self._answer = answer
        self._outcome = ""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Any:
        """Leave these tests, in this order, whatever other plugins did."""
        done = yield
        found = {item.nodeid: item for item in items}
        missing = [nodeid for nodeid in self._nodeids if nodeid not in found]
        if missing:
            self._tell({"missing": missing})
        items[:] = [] if missing else [found[nodeid] for nodeid in self._nodeids]
        return done

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell the worst outcome of the target's phases."""
        if report.nodeid != self._nodeids[-1]:
            return
        if report.failed:
            self._outcome = "failed"
        elif report.when == "call" or report.skipped:
            self._outcome = self._outcome or report.outcome
        if report.when == "teardown":
            self._tell({"outcome": self._outcome})

    def _tell(self, what: dict[str, Any]) -> None:
        self._answer.write_text(json.dumps(what), "utf-8")
