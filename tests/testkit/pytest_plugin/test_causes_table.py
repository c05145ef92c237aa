"""The end of a red run: causes in place of a line for each failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.support.suites import RecordedSuite

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = """
    import pytest

    @pytest.fixture
    def broken():
        raise RuntimeError("the fixture broke")

    @pytest.mark.parametrize("number", range(6))
    def test_needs_it(broken, number):
        pass

    def test_other():
        assert "left" == "right"

    @pytest.mark.skip(reason="not now")
    def test_skipped():
        pass
"""
LINE: Final = "ERROR test_it.py::test_needs_it[0]"
SUMMARY: Final = "short test summary info"


@pytest.fixture
def suite(tmp_path: Path) -> RecordedSuite:
    suite = RecordedSuite(tmp_path / "suite", test_it=TESTS)
    suite.configure("")
    return suite


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_red_run_ends_with_its_causes(suite: RecordedSuite, workers: str) -> None:
    done = suite.run("-n", workers)
    table = done.text.partition("= causes =")[2]

    assert done.code == 1
    assert "7 failures, 2 causes" in table
    assert "broken" in table
    assert "testkit triage" in table
    assert SUMMARY not in done.text
    assert LINE not in done.text
    assert "1 failed, 1 skipped, 6 errors" in done.text


@pytest.mark.slow
def test_lines_that_somebody_asked_for_stay(suite: RecordedSuite) -> None:
    done = suite.run("-rfEs")

    assert "= causes =" not in done.text
    assert LINE in done.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("--testkit-summary=pytest",),
        ("--testkit-record=false",),
        ("-k", "test_other"),
    ],
)
def test_pytest_writes_its_own_lines_where_no_table_is_wanted(
    suite: RecordedSuite, options: tuple[str, ...]
) -> None:
    done = suite.run(*options)

    assert "= causes =" not in done.text
    assert SUMMARY in done.text


def test_a_run_without_a_summary_has_no_table(suite: RecordedSuite) -> None:
    done = suite.run("--no-summary")

    assert "causes" not in done.text
    assert done.code == 1
