"""The last lines of a run say what testkit cost it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.pytest_plugin.billing import bill_lines
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = """
    from sqlalchemy import create_engine, text

    ENGINES = []

    def test_one(database):
        ENGINES.append(create_engine(database.url()))
        with ENGINES[0].begin() as connection:
            connection.execute(text("CREATE TABLE made (id int)"))

    def test_two(database):
        with ENGINES[0].begin() as connection:
            connection.execute(text("SELECT 1"))

    def test_three(database):
        pass
"""


def bill(**seconds: float) -> dict[str, Any]:
    counts = dict.fromkeys(seconds, 2)
    return {"seconds": seconds, "counts": counts, "costliest": [(0.001, "t")], "wall": 10.0}


def test_a_bill_names_each_part_and_its_share_of_the_run() -> None:
    costs = bill(start=0.5, template=2.0, isolation=0.001, reconnects=0.02, queries=3.0)

    assert bill_lines(costs, [], verbose=False) == [
        "testkit: 2.5 s of 10.0 s (25%): start 0.5 s, template 2.0 s,"
        " isolation 1 ms (2 tests, 0.50 ms each), reconnects 20 ms (2);"
        " the tests' own statements 3.0 s (2)"
    ]


def test_the_bills_of_workers_are_added_and_the_controller_is_billed_for_its_work_alone() -> None:
    workers = [bill(start=1.0, isolation=1.0), bill(start=1.0, isolation=1.0)]

    (line,) = bill_lines(bill(start=5.0), workers, verbose=False)

    assert line.startswith(
        "testkit: 9.0 s of 25.0 s (36%) in 2 workers: start 7.0 s, isolation 2.0"
    )


def test_a_run_without_servers_has_no_bill() -> None:
    assert bill_lines(None, [], verbose=True) == []


@pytest.mark.slow
def test_a_run_ends_with_its_bill(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=TESTS)

    outcome = suite.run("-v")

    outcome.check(passed=3)
    assert re.search(
        r"testkit: \S+ m?s of \S+ s \(\d+%\): start \S+ m?s, template \S+ m?s, isolation \S+ m?s"
        r" \(3 tests, \S+ ms each\), (sessions put back \S+ m?s \(\d+\), )?reconnects \S+ m?s \(\d+\);"
        r" the tests' own statements \S+ m?s \(2\)\n",
        outcome.text,
    ), outcome.text
    assert outcome.text.count(" ms  test_it.py::test_") == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "env", ["", 'env = { DATABASE_URL = "{database.url}" }'], ids=["asked", "env"]
)
def test_with_workers_there_is_one_bill(tmp_path: Path, env: str) -> None:
    suite = Suite(tmp_path, test_it=TESTS)
    suite.configure(env)

    outcome = suite.run("-n2", "--dist=loadfile")

    outcome.check(passed=3)
    (line,) = [line for line in outcome.text.splitlines() if "isolation" in line]
    assert "(3 tests," in line


@pytest.mark.slow
def test_a_run_that_asks_for_no_server_says_nothing(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it="def test_it(): pass")

    outcome = suite.run("-v")

    outcome.check(passed=1)
    assert "testkit:" not in outcome.text
