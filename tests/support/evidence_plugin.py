"""A plugin that writes what is caught of each failed phase as lines of JSON, for tests."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.core.runs.lines import chain_json, evidence_json
from testkit.record.evidence import watching
from testkit.record.evidence.catch import caught

if TYPE_CHECKING:
    from collections.abc import Generator


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch."""
    watching.begin(config)


def pytest_unconfigure() -> None:
    """End it."""
    watching.end()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Frame each test."""
    watching.before_test(item)
    try:
        return (yield)
    finally:
        watching.after_test(item)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object],
) -> Generator[None, object, object]:
    """Say which fixture has been set up."""
    try:
        return (yield)
    finally:
        watching.after_fixture(fixturedef.argname)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write what is caught of a failure."""
    report = yield
    if report.failed:
        chain, evidence = caught(item, call, report)
        line = {"nodeid": item.nodeid, "when": report.when, "chain": chain_json(chain)}
        with Path(os.environ["EVIDENCE_FILE"]).open("a", encoding="utf-8") as out:
            out.write(json.dumps(line | {"evidence": evidence_json(evidence)}) + "\n")
    return report
