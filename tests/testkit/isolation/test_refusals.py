"""What is remembered of a refusal, and which test is charged with it."""

from __future__ import annotations

import threading

from testkit.core.messages import TestkitError
from testkit.isolation.refusals import Refusals


def refuse(refusals: Refusals, place: str) -> TestkitError:
    error = TestkitError(
        "TK304", library="any", place=place, entry=place, database="prod", where=refusals.where
    )
    return refusals.noted(error)


def test_what_was_told_is_not_told_again() -> None:
    refusals = Refusals()
    refusals.begin_test("it")
    errors = [refuse(refusals, place) for place in ("a:1", "a:1", "b:2")]
    refusals.told(ExceptionGroup("several", [ValueError("other"), errors[1]]))
    left = str(refusals.finish_test("it"))

    assert ("a:1" in left, "b:2" in left) == (False, True)
    assert refusals.finish_test("it") is None


def test_the_same_refusal_is_told_once_however_often_it_was_tried() -> None:
    refusals = Refusals("it")
    threads = [threading.Thread(target=refuse, args=(refusals, "a:1")) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert str(refusals.finish_test("it")).count("TK304:") == 1


def test_what_no_test_did_is_charged_to_the_next_one_and_says_so() -> None:
    refusals = Refusals()
    refuse(refusals, "a:1")
    refusals.begin_test("first")
    first = str(refusals.finish_test("first"))
    refuse(refusals, "a:1")
    refusals.begin_test("second")
    second = str(refusals.finish_test("second"))
    refuse(refusals, "a:1")
    [last] = refusals.left()

    assert "no test did it, it came before the first test" in first
    assert "no test did it, it came after first" in second
    assert "it came after second" in last


def test_a_refusal_names_the_line_that_asked_and_the_test() -> None:
    refusals = Refusals()
    refusals.begin_test("tests/test_it.py::test_it")
    where = str(refuse(refusals, "a:1").values["where"])

    assert "test_refusals.py:" in where
    assert where.endswith(", tests/test_it.py::test_it")
