"""The budget: a test that is not marked slow fails where it took longer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import pytest

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.isolation.database import Database
    from testkit.isolation.queries.facts import Recording

__all__ = ["hold_to_budget", "note_debugger", "statements_timed"]

_statements: Final = pytest.StashKey["Recording"]()
_at_work: Final = pytest.StashKey[bool]()
_debugged: Final = pytest.StashKey[bool]()


@contextlib.contextmanager
def statements_timed(item: pytest.Item, database: Database | None) -> Iterator[None]:
    """Time the statements of the test itself; nothing where it has no database or is slow."""
    item.config.stash[_debugged] = False
    item.stash[_at_work] = True
    try:
        if database is None or _is_exempt(item):
            yield
            return
        with database.queries.times() as item.stash[_statements]:
            yield
    finally:
        item.stash[_at_work] = False


def note_debugger(config: pytest.Config) -> None:
    """Note that a person holds up the running test, which may take as long as they like."""
    config.stash[_debugged] = True


def hold_to_budget(
    item: pytest.Item, report: pytest.TestReport, *, seconds: float, budget: float
) -> None:
    """Fail, with TK324, a test that passed but took longer than the budget."""
    if not report.passed or hasattr(report, "wasxfail") or seconds <= budget:
        return
    if _is_exempt(item) or item.config.stash.get(_debugged, False):
        return
    if item.stash.get(_at_work, False):
        return  # the report of a subtest: its test is held to the budget as a whole
    error = TestkitError(
        "TK324",
        took=f"{seconds:.3g} s",
        budget=f"{budget:g} s",
        test=item.nodeid,
        queries=_share(item.stash.get(_statements, None), seconds),
    )
    report.outcome = "failed"
    report.longrepr = item.repr_failure(_failure(str(error)))


def _failure(message: str) -> pytest.ExceptionInfo[BaseException]:
    # Raised, so that the report has its message in the summary as well.
    with pytest.raises(pytest.fail.Exception) as caught:
        pytest.fail(message, pytrace=False)
    return caught


def _is_exempt(item: pytest.Item) -> bool:
    return item.get_closest_marker("slow") is not None


def _share(statements: Recording | None, seconds: float) -> str:
    if not statements:
        return "It sent no statement through SQLAlchemy to the test's database."
    busy = statements.busy_seconds()
    share = min(busy / seconds, 1)
    return (
        f"Of that time {busy:.3g} s ({share:.0%}) passed in statements, {len(statements)} of them;"
        " the rest in Python and elsewhere."
    )
