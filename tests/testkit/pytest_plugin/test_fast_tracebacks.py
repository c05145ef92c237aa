"""Red runs whose tracebacks are drawn fast: the same text, and pytest's own where in doubt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = """
    import pytest
    import unittest

    def deeper(value):
        # A comment.
        return [
            1 / v
            for v in (value,)
        ]

    @pytest.mark.parametrize("value", [0, "a"])
    def test_divides(value):
        assert deeper(value) == [1]

    def test_compares():
        assert {"a": 1} == {"a": 2}

    def test_is_skipped():
        pytest.skip("here")

    class TestOld(unittest.TestCase):
        def test_it(self):
            self.assertEqual(1, 2)
"""
#: A plugin for which the text of a file is another one each time that it is asked for.
ANOTHER_PLUGIN: Final = """
    from _pytest._code import code

    own, asked = code.findsource, []

    def pytest_configure():
        code.findsource = another

    def another(obj):
        source, line = own(obj)
        asked.append(obj)
        return code.Source([f"pass  # {len(asked):06}" for _ in source.lines]), line
"""
ANOTHER_FORM: Final = """
    from _pytest._code import source

    own = source.findsource

    def findsource(obj):
        return own(obj)

    source.findsource = findsource
"""


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    suite = Suite(tmp_path / "a suite", test_red=TESTS)
    suite.configure('record = false\nsummary = "pytest"\n')
    return suite


def drawn(text: str) -> str:
    """Return what was drawn of the failures, without what differs from run to run."""
    failures = text.partition("= FAILURES =")[2]
    return re.sub(r"in [0-9.]+s|0x[0-9a-f]+|\[gw\d\].*|# \d+$", "", failures, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("style", ["auto", "long", "short", "native"])
def test_a_red_run_says_the_same(suite: Suite, style: str) -> None:
    fast = suite.run(f"--tb={style}")
    own = suite.run(f"--tb={style}", "--testkit-fast-tracebacks=false")

    fast.check(code=1, failed=4, skipped=1)
    assert drawn(fast.text) == drawn(own.text)
    assert "ZeroDivisionError" in drawn(fast.text)


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize(("conftest", "code"), [(ANOTHER_FORM, "TK750"), (ANOTHER_PLUGIN, "TK751")])
def test_where_pytest_is_not_as_known_it_draws_itself_and_one_line_says_so(
    suite: Suite, conftest: str, code: str, workers: str
) -> None:
    suite.write("conftest.py", conftest)
    fast = suite.run("-n", workers)
    own = suite.run("-n", workers, "--testkit-fast-tracebacks=false")

    fast.check(code=1, failed=4, skipped=1)
    assert [line for line in fast.text.splitlines() if "TK75" in line] == [
        line for line in fast.text.splitlines() if line.startswith(f"testkit: {code}: ")
    ]
    assert fast.text.count(f"testkit: {code}: ") == 1
    assert "TK75" not in own.text
    assert sorted(drawn(own.text).splitlines()) == sorted(
        line for line in drawn(fast.text).splitlines() if "TK75" not in line
    )
