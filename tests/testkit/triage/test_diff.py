"""What became of each test, decided from two sets of facts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testkit.cli.differences import FORMS, Compared
from testkit.core.runs.causes import Cause, Triage
from testkit.core.runs.failure import Failure
from testkit.triage.diff import Absence, Difference, Move, Side, difference


def side(**outcomes: str) -> Side:
    return Side({f"t.py::{name}": outcome for name, outcome in outcomes.items()})


def test_fixed_new_and_still_are_told_apart() -> None:
    old = side(a="failed", b="passed", c="error", d="passed")
    found = difference(old, side(a="passed", b="failed", c="failed", d="passed", e="error"))

    assert found == Difference(fixed=("t.py::a",), new=("t.py::b", "t.py::e"), still=("t.py::c",))
    assert found.worse


def test_a_test_that_failed_for_another_cause_has_moved() -> None:
    outcomes = {"a": "failed", "b": "failed", "c": "failed"}
    old = Side(outcomes, {"a": {"C-1"}, "b": {"C-1"}, "c": {"C-1"}}, {"c": {"s"}})
    new = Side(outcomes, {"a": {"C-2"}, "b": {"C-1", "C-3"}, "c": {"C-2"}}, {"c": {"s"}})
    found = difference(old, new)

    assert found == Difference(still=("b", "c"), moved=(Move("a", ("C-1",), ("C-2",)),))
    assert not found.worse


def test_each_way_to_vanish_has_its_name() -> None:
    names = ["skipped", "xfailed", "deselected", "left", "gone", "passing"]
    old = Side({f"t.py::{n}": "passed" if n == "passing" else "failed" for n in names})
    new = Side(
        {"t.py::skipped": "skipped", "t.py::xfailed": "xfailed", "t.py::other": "passed"},
        deselected={"t.py::deselected"},
        selected={"t.py::other"},
        reasons={"t.py::skipped": "too hard"},
    )
    found = difference(old, new, stands=lambda nodeid: nodeid == "t.py::left")

    assert found.vanished == (
        Absence("t.py::skipped", "failed", "skipped", "too hard"),
        Absence("t.py::xfailed", "failed", "xfailed"),
        Absence("t.py::deselected", "failed", "deselected"),
        Absence("t.py::left", "failed", "left out"),
        Absence("t.py::gone", "failed", "gone"),
        Absence("t.py::passing", "passed", "gone"),
    )
    assert (len(found.silenced), found.worse) == (5, True)


def test_a_passing_test_that_vanished_makes_nothing_worse() -> None:
    assert not difference(side(a="passed"), side(b="passed")).worse


def test_what_was_selected_and_did_not_run_has_not_vanished() -> None:
    old = side(a="failed", b="failed")
    known = Side({"t.py::x": "failed"}, selected={"t.py::a", "t.py::x"}, whole=False)
    unknown = Side({"t.py::x": "failed"}, whole=False)

    assert difference(old, known).not_run == ("t.py::a",)
    assert [one.nodeid for one in difference(old, known).vanished] == ["t.py::b"]
    assert difference(old, unknown).not_run == ("t.py::a", "t.py::b")


def test_the_tests_of_a_module_that_does_not_load_have_not_vanished() -> None:
    found = difference(side(a="failed"), Side({"t.py": "error"}))

    assert (found.not_run, found.new, found.vanished) == (("t.py::a",), ("t.py",), ())


def test_a_module_that_loads_again_is_fixed_and_one_that_is_gone_has_vanished() -> None:
    old = Side({"t.py": "error", "u.py": "error"})
    found = difference(old, side(a="passed"))

    assert (found.fixed, found.vanished) == (("t.py",), (Absence("u.py", "failed", "gone"),))


def compared(found: Difference, *nodeids: str) -> Compared:
    failures = tuple(Failure(nodeid, "t.py") for nodeid in nodeids)
    cause = Cause("C-1", "a cause", None, failures)
    return Compared(found, Triage((cause,), title="old"), Triage((cause,), title="new"))


def test_json_has_the_lists_of_node_ids_and_how_tests_vanished() -> None:
    found = Difference(
        fixed=("a",),
        moved=(Move("m", ("C-1",), ("C-2",)),),
        vanished=(Absence("v", "failed", "gone"),),
    )
    told: dict[str, Any] = json.loads(FORMS["json"](compared(found, "a")))

    lists = {key: told[key] for key in ("version", "fixed", "new", "still", "moved", "vanished")}
    assert lists == {
        "version": 1,
        "fixed": ["a"],
        "new": [],
        "still": [],
        "moved": ["m"],
        "vanished": ["v"],
    }
    assert told["moves"] == [{"nodeid": "m", "from": ["C-1"], "to": ["C-2"]}]
    assert told["absences"] == [{"nodeid": "v", "was": "failed", "now": "gone", "reason": ""}]


def test_text_names_a_repair_by_deletion() -> None:
    found = Difference(new=("a",), vanished=(Absence("v", "failed", "gone"),))

    assert FORMS["text"](compared(found, "a")).split("\n") == [
        "old → new",
        "0 fixed, 1 new, 0 still failing, 0 moved, 1 vanished (1 of them failed before)",
        "",
        "New failures (1)",
        "     1  C-1 a cause",
        "        a",
        "",
        "Failed before, and vanished (1)",
        "     1  no longer exists",
        "        v",
    ]


def test_text_puts_tests_of_one_cause_together() -> None:
    tests = tuple(f"t{n}" for n in range(5))
    lines = FORMS["text"](compared(Difference(new=("z", *tests)), *tests)).split("\n")

    assert lines[3:] == [
        "New failures (6)",
        "     5  C-1 a cause",
        *("        t0", "        t1", "        t2", "        … and 2 more"),
        "  z",
    ]


def test_a_failure_that_the_old_run_had_not_come_to_may_be_old() -> None:
    old = Side({"t.py::a": "passed"}, whole=False)
    found = difference(old, side(a="failed", b="failed"))

    assert (found.new, found.unseen) == (("t.py::a", "t.py::b"), ("t.py::b",))
    assert "tells nothing of 1 tests that fail now" in FORMS["text"](compared(found, "t.py::a"))


def test_github_gets_at_most_ten_annotations() -> None:
    found = Difference(new=tuple(f"t.py::t{n}" for n in range(30)))
    lines = FORMS["github"](compared(found, "t.py::t1")).split("\n")

    assert [line[:8] for line in lines] == ["::error "] * 10 + ["0 fixed,"]
    assert lines[9].startswith("::error title=And 21 more::")


@pytest.mark.parametrize("form", ["text", "markdown", "github"])
def test_texts_of_a_run_are_data(form: str) -> None:
    hostile = "t.py::t[\x1b[2J\n::error::planted\n<b>|]"
    told = FORMS[form](compared(Difference(new=(hostile,)), hostile))

    assert "\x1b" not in told
    assert not any(line.startswith("::error::planted") for line in told.split("\n"))
    assert form != "markdown" or "<b>" not in told
