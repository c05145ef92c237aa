"""Loaded into the pytest that judges a rewrite: what is collected, and what becomes of each test.

Tests run in the order in which they are collected, also where a plugin would draw another one: two
runs are compared.

``TESTKIT_OUTCOMES`` names the file for the answer: ``{"tests": {node id: outcome}, "errors": n}``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["Order", "Outcomes", "pytest_configure"]

_WORST: Final = {"failed": 2, "passed": 1, "skipped": 1, "collected": 0}


def pytest_configure(config: pytest.Config) -> None:
    """Load what keeps the order; and in the process that a person would see what answers."""
    config.pluginmanager.register(Order(), "testkit-order")
    if not hasattr(config, "workerinput"):
        path = Path(os.environ["TESTKIT_OUTCOMES"])
        config.pluginmanager.register(Outcomes(path), "testkit-outcomes")


class Order:
    """Takes back what plugins do to the order of tests, and leaves what they select."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Sort what is left as it was collected."""
        place = {id(item): number for number, item in enumerate(items)}
        yield
        items.sort(key=lambda item: place.get(id(item), len(place)))


class Outcomes:
    """Takes what was collected and reported; under xdist only what was reported."""

    def __init__(self, answer: Path) -> None:
        self._answer = answer
        self._tests: dict[str, str] = {}
        self._errors = 0

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count what could not be collected."""
        self._errors += report.failed

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note each test."""
        self._tests |= dict.fromkeys((item.nodeid for item in session.items), "collected")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the worst of a test's phases."""
        told = self._tests.get(report.nodeid, "collected")
        if _WORST.get(report.outcome, 0) > _WORST[told] or report.failed:
            self._tests[report.nodeid] = report.outcome

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Write the answer."""
        told: dict[str, Any] = {"tests": self._tests, "errors": self._errors}
        self._answer.write_text(json.dumps(told), "utf-8")
