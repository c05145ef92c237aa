"""Every mode of isolation holds what the table says, on every driver and every road."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contracts import isolation_promises
from tests.contracts.isolation_promises import DRIVERS, DURING, MODES
from tests.contracts.isolation_table import HOLDS, column, table
from tests.support.suites import Suite

if TYPE_CHECKING:
    from tests.contracts.conftest import Road

_ENV = (
    'PSYCOPG_URL = "{database.url}", ASYNCPG_URL = "{database.url:asyncpg}",'
    ' PLAIN_URL = "{database.url:libpq}"'
)
_TESTS = "from promises import runs_after as test_after, runs_during as test_during, standing\n"
_TOLD = "an_open_transaction_is_an_error_of_its_test"


# The modes stand on the same journal everywhere.
_ROADS = [
    pytest.param("embedded", marks=pytest.mark.slow),
    *(
        pytest.param(road, marks=pytest.mark.soak)
        for road in ("local", "docker", "external", "external, no superuser")
    ),
]


@pytest.mark.parametrize("postgres_road", _ROADS, indirect=True)
def test_each_mode_holds_what_the_table_says(tmp_path: Path, postgres_road: Road) -> None:
    text = Path(isolation_promises.__file__).read_text()
    suite = Suite(tmp_path / "a suite", test_promises=_TESTS, promises=text)
    suite.configure(
        f"""
        schema = "metadata:promises:metadata"
        baseline = "promises:baseline"
        postgres = "{postgres_road.option}"
        env = {{ {_ENV} }}
        """
    )
    suite.write("pytest.ini", "[pytest]\nasyncio_default_fixture_loop_scope = function\n")

    outcome = suite.run("-W", "ignore", "--tb=short", timeout=200)

    found = {
        (promise, mode, driver): _holds(outcome.tests, promise, mode, driver)
        for promise in HOLDS
        for mode in MODES
        for driver in DRIVERS
    }
    expected = {
        (promise, mode, driver): column(mode, driver) in HOLDS[promise][1]
        for promise, mode, driver in found
    }
    wrong = sorted(key for key in found if found[key] != expected[key])
    assert wrong == [], outcome.text


def _holds(tests: dict[str, str], promise: str, mode: str, driver: str) -> bool:
    if promise in DURING:
        return _word(tests, f"test_during[{mode}-{driver}-{promise}]") == "passed"
    first, second = (
        _word(tests, f"test_after[{mode}-{driver}-{promise}-{part}]") for part in (0, 1)
    )
    # A program that does not run at all promises nothing.
    assert first == ("error" if promise == _TOLD and mode != "none" else "passed")
    return second == "passed" and (first == "error" or promise != _TOLD)


def _word(tests: dict[str, str], name: str) -> str:
    (word,) = (word for key, word in tests.items() if key.endswith(name))
    return word


def test_the_docs_show_the_table() -> None:
    docs = Path(__file__).parents[2] / "docs" / "isolation.md"

    assert table() in docs.read_text(), f"the table is:\n{table()}"
