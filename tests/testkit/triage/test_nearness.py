"""Work that grows with the failures, not with their square, where no two are alike."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import pytest

from testkit.triage.triage import triage
from tests.support.failures import evidence, failed

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.core.runs.failure import Failure

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def word(n: int) -> str:
    """Return a word of its own for a number: digits would be masked."""
    return "".join(LETTERS[n // 26**place % 26] for place in range(4))


def unlike(n: int) -> Failure:
    """Return a failure that shares type, message and file with no other."""
    own = word(n)
    return failed(f"shop.{own.title()}Error", f"no {own}", test=f"tests/test_{own}.py::test_it")


def conflicting(n: int) -> Failure:
    """Return a unique violation of a table of its own, or a conflict that tells of that table."""
    table, test = word(n // 2), f"tests/test_{word(n)}.py::test_it"
    if n % 2:
        body = evidence("http", status=409, body=f"another {table} has this name")
        return failed("AssertionError", "assert 409 == 201", body, test=test)
    text = f'duplicate key value violates unique constraint "uq_{table}_name"'
    return failed("psycopg.errors.UniqueViolation", text, test=test)


def standing_in(n: int) -> Failure:
    """Return what a session's stand-in lacks, or what was not found where it was at work."""
    name, test = f"Fake{word(n // 2)}Session", f"tests/test_{word(n)}.py::test_it"
    seen = evidence("doubles", names=[{"name": "session", "type": f"tests.{name}"}])
    lacks = f"'{name}' object has no attribute 'commit'"
    return failed(
        "AttributeError", lacks if n % 2 else f"'NoneType' has no {name}", seen, test=test
    )


@pytest.mark.parametrize("made", [unlike, conflicting, standing_in])
def test_four_times_the_failures_cost_about_four_times_the_calls(
    made: Callable[[int], Failure],
) -> None:
    few = calls([made(n) for n in range(100)])
    many = calls([made(n) for n in range(1_000, 1_400)])

    assert many < 5.5 * few


def test_each_conflict_goes_to_the_violation_of_its_own_table() -> None:
    causes = triage([conflicting(n) for n in range(40)]).causes

    assert {cause.rule for cause in causes} == {"unique-violation"}


def calls(failures: list[Failure]) -> int:
    """Return how many functions were called by triage."""
    count = 0

    def called(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        triage(failures)
    finally:
        sys.setprofile(before)
    return count
