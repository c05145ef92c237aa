"""Each form of a report, as it was looked at and found good.

A form that was changed on purpose is written anew by

    TESTKIT_GOLDEN=write python -m pytest tests/testkit/reports/test_golden.py

and looked at before it is committed.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from testkit.core.runs.causes import Triage
from testkit.core.runs.failure import Evidence
from testkit.reports.evidence import told as told_of
from testkit.reports.rendering import FORMS, Form, render
from tests.support.causes_told import many_causes, some_causes

GOLDEN: Final = Path(__file__).parents[2] / "support" / "golden_reports"
CASES: Final[dict[str, tuple[Form, dict[str, Any]]]] = {
    "text.txt": ("text", {}),
    "text-narrow.txt": ("text", {"width": 40}),
    "text-bold.txt": ("text", {"colour": True}),
    "text-all.txt": ("text", {"limit": 0}),
    "markdown.md": ("markdown", {}),
    "github.txt": ("github", {}),
    "agent.txt": ("agent", {}),
    "json.json": ("json", {}),
    "page.html": ("html", {}),
}


@pytest.mark.parametrize("name", CASES)
def test_the_report_is_the_one_that_was_looked_at(name: str) -> None:
    form, options = CASES[name]
    told = render(some_causes(), format=form, **options)
    path = GOLDEN / name
    if os.environ.get("TESTKIT_GOLDEN") == "write":
        path.write_text(told, "utf-8")

    assert told == path.read_text("utf-8")


def test_every_form_has_a_report_that_was_looked_at() -> None:
    assert {form for form, _ in CASES.values()} == set(FORMS)


def test_json_has_the_keys_that_are_fixed() -> None:
    told = json.loads(render(some_causes(), format="json"))

    assert told["version"] == 1
    assert {"totals", "causes"} <= told.keys()
    fixed = {"id", "title", "rule", "failures", "tests", "symptoms", "evidence", "proof", "fix"}
    assert all(fixed <= cause.keys() for cause in told["causes"])
    assert [cause["rule"] for cause in told["causes"]][-1] is None


@pytest.mark.parametrize("form", FORMS)
def test_a_green_run_has_a_report(form: Form) -> None:
    empty: Triage = many_causes(0, each=0)

    assert "no failures" in render(empty, format=form) or form == "json"


@pytest.mark.parametrize("count", [1, 5, 7, 8, 11, 12, 20, 23, 300])
@pytest.mark.parametrize("width", [1, 40, 80, 200])
def test_a_screen_holds_the_causes_of_any_run(count: int, width: int) -> None:
    lines = render(many_causes(count, each=2), format="text", width=width).splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) <= max(width, 40)
    assert f"{count * 2:,} failures" in lines[0]
    assert "C-00000000" in "\n".join(lines)


def test_a_number_of_causes_is_told_whole_and_the_rest_counted() -> None:
    told = render(many_causes(9, each=2), format="text", limit=2)

    assert told.count("to do: Dig it out.") == 2
    assert "and 7 more causes with 14 failures" in told


def test_what_a_source_lacks_is_told_to_the_end_of_the_sentence() -> None:
    lacks = ("No values, no exchanges, no statements, no workers: causes rest on what was drawn.",)
    told = render(Triage(causes=(), lacks=lacks), format="text", width=40)

    assert lacks[0] in " ".join(told.split())


def test_an_unknown_cause_is_said_to_be_unknown_once() -> None:
    cause = replace(some_causes().causes[0], rule=None, title="Unknown: assert 1 == 2")
    told = render(Triage(causes=(cause,), counts={"error": 5}), format="text")

    assert "unknown: assert 1 == 2" in told
    assert "5 errors" in told


def test_an_exchange_without_an_answer_tells_what_was_raised() -> None:
    seen = Evidence("http", {"method": "GET", "url": "/cart", "error": "shop.Broken"})

    assert told_of(seen) == ["GET /cart raised shop.Broken"]


def test_a_run_without_an_end_is_told_once() -> None:
    cut = replace(some_causes(), complete=False, lacks=())
    named = replace(cut, lacks=("a.jsonl has no end: the run was killed.",))

    assert "did not come to its end" in render(cut, format="text")
    assert "did not come to its end" not in render(named, format="text")
    assert "a.jsonl has no end" in render(named, format="text")


def test_an_agent_reads_of_every_cause_within_the_cap() -> None:
    few, many = many_causes(3, each=40), many_causes(180, each=40)
    told = render(many, format="agent")

    assert len(told) <= 32_000
    assert all(cause.id in told for cause in many.causes)
    assert "traceback:" in render(few, format="agent")


def test_causes_without_room_are_counted_for_an_agent() -> None:
    told = render(many_causes(5000, each=1), format="agent")

    assert len(told) <= 32_000
    assert "more causes without room: C-" in told


def test_github_shows_ten_annotations_and_takes_a_summary_of_a_megabyte() -> None:
    told = render(many_causes(3000, each=30), format="github", limit=0)
    commands = [line for line in told.splitlines() if line.startswith("::")]
    summary = told.partition(commands[-1])[2]

    assert len(commands) == 10
    assert "2%2C991 more causes with 89%2C730 failures" in commands[-1]
    assert len(summary.encode()) <= 1024 * 1024
    assert "Without details for want of room" in summary
