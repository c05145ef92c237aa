"""What a test left in use: an error of this test, a warning, or a note where it failed anyway."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import pytest

from testkit.core.messages import TestkitError
from testkit.isolation.patience import PATIENCE, SHORT_PATIENCE
from testkit.pytest_plugin.session import plain_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.core.options import Settings
    from testkit.pytest_plugin.worker import Worker

__all__ = [
    "MARKER",
    "LeakWarning",
    "RollbackWarning",
    "check_markers",
    "end_fixture",
    "finish_test",
]

MARKER: Final = "leaks"
_ANSWERS: Final = ("error", "warn")


class LeakWarning(pytest.PytestWarning):
    """A test left connections in use, and ``leaks`` is ``warn``."""


class RollbackWarning(pytest.PytestWarning):
    """A test did what the isolation ``rollback`` cannot show."""


def check_markers(items: Sequence[pytest.Item]) -> None:
    """Raise TK312 for a marker that says neither ``error`` nor ``warn``."""
    for item in items:
        for mark in item.iter_markers(MARKER):
            if mark.kwargs or mark.args not in {(answer,) for answer in _ANSWERS}:
                values = (*map(repr, mark.args), *(f"{k}={v!r}" for k, v in mark.kwargs.items()))
                shown = f"leaks({', '.join(values)})"
                raise TestkitError("TK312", marker=shown, nodeid=item.nodeid)


def finish_test(
    item: pytest.Item, worker: Worker, *, period: int, cut_short: bool, undone: bool
) -> None:
    """Undo what the test did, and tell what it left in use; keep it where it is not ``undone``."""
    faulting = worker.faulting
    with faulting.ending(item, cut_short=cut_short) if faulting else contextlib.nullcontext():
        _finish(item, worker, period=period, cut_short=cut_short, undone=undone)


def _finish(
    item: pytest.Item, worker: Worker, *, period: int, cut_short: bool, undone: bool
) -> None:
    leaks = _end_further(worker, None, SHORT_PATIENCE if cut_short else PATIENCE)
    answer = _answer(item, worker.settings)
    if not undone:
        with plain_errors():
            worker.isolation.keep_test(item.nodeid)
        _tell(item, leaks, "note" if cut_short else answer)
        return
    try:
        _undo(item, worker, leaks, period=period, cut_short=cut_short, answer=answer)
    finally:
        _tell_notes(item, worker.isolation.notes(), cut_short=cut_short)


def _undo(
    item: pytest.Item,
    worker: Worker,
    leaks: list[TestkitError],
    *,
    period: int,
    cut_short: bool,
    answer: str,
) -> None:
    try:
        with plain_errors():
            worker.isolation.finish_test(
                item.nodeid, leaks, period=period, cut_short=cut_short, ends_held=answer == "error"
            )
    except pytest.fail.Exception as error:
        if cut_short or answer == "warn" or not leaks:
            _tell(item, leaks, "note")
            raise
        text = "\n\n".join(map(str, (error.msg, *leaks)))
        raise pytest.fail.Exception(text, pytrace=False) from None
    _tell(item, leaks, "note" if cut_short else answer)


def end_fixture(item: pytest.Item, worker: Worker, fixture: object) -> None:
    """Undo what a wider-scoped fixture did that ended behind the test; tell what it left in use."""
    leaks = _end_further(worker, fixture, PATIENCE)
    with plain_errors():
        leaks += worker.isolation.end_fixture(fixture)
    _tell(item, leaks, _answer(item, worker.settings))


def _end_further(worker: Worker, fixture: object, patience: float) -> list[TestkitError]:
    return worker.further.end(fixture, patience=patience) if worker.further is not None else []


def _tell_notes(item: pytest.Item, notes: Sequence[TestkitError], *, cut_short: bool) -> None:
    """Warn of what the isolation could not show; a failed test has it in its report."""
    for note in notes:
        if cut_short:
            item.add_report_section("teardown", "testkit", str(note))
        else:
            item.warn(RollbackWarning(str(note)))


def _tell(item: pytest.Item, leaks: Sequence[TestkitError], answer: str) -> None:
    if not leaks:
        return
    text = "\n\n".join(map(str, leaks))
    if answer == "note":
        item.add_report_section("teardown", "testkit", text)
    elif answer == "warn":
        item.warn(LeakWarning(text))
    else:
        pytest.fail(text, pytrace=False)


def _answer(item: pytest.Item, settings: Settings) -> str:
    mark = item.get_closest_marker(MARKER)
    return str(mark.args[0]) if mark is not None else settings.leaks
