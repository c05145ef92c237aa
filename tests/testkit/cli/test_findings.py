"""Findings as they are printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testkit.cli.findings import FORMS
from testkit.doctor.finding import Finding

FINDING = Finding(
    code="TD103",
    severity="error",
    path=str(Path.cwd() / "tests" / "my,factories.py"),
    line=7,
    column=1,
    factory="ShopFactory",
    trait="closed",
    reason="100% of\x1b[31m it | fails\n::warning::no",
    fix="Mend it.",
)
SUMMARY = {"errors": 1, "warnings": 0, "factories": 2, "traits": 1, "files": 1, "skipped": {}}
CLOSING = "1 error, 0 warnings in 2 factories with 1 trait, of 1 file."


def test_text_has_a_line_for_each_finding() -> None:
    line, closing = FORMS["text"]([FINDING], SUMMARY).splitlines()

    assert line == (
        "tests/my,factories.py:7:1: TD103 error: ShopFactory(closed=True): "
        "100% of\\x1b[31m it | fails\\n::warning::no. Mend it."
    )
    assert closing == CLOSING


def test_json_is_one_object() -> None:
    answer = json.loads(FORMS["json"]([FINDING], SUMMARY))
    [found] = answer.pop("findings")

    assert answer == {"version": 1, "summary": SUMMARY}
    assert (found["code"], found["severity"], found["fixable"]) == ("TD103", "error", False)
    assert (found["path"], found["line"], found["column"]) == ("tests/my,factories.py", 7, 1)
    assert (found["factory"], found["trait"]) == ("ShopFactory", "closed")
    assert found["message"].startswith("ShopFactory(closed=True): 100%")


def test_markdown_is_a_table_whose_cells_stay_cells() -> None:
    lines = FORMS["markdown"]([FINDING], SUMMARY).splitlines()

    assert lines[0] == "| code | severity | where | what |"
    assert "it \\| fails" in lines[2]
    assert lines[-1] == CLOSING


def test_github_gets_one_command_that_a_text_cannot_leave() -> None:
    line, closing = FORMS["github"]([FINDING], SUMMARY).splitlines()

    assert line == (
        "::error file=tests/my%2Cfactories.py,line=7,col=1,title=TD103 ShopFactory(closed=True)"
        "::ShopFactory(closed=True): 100%25 of\\x1b[31m it | fails\\n::warning::no. Mend it."
    )
    assert closing == CLOSING


@pytest.mark.parametrize("form", ["text", "markdown", "github"])
def test_nothing_found_says_what_was_looked_at(form: str) -> None:
    nothing = {**SUMMARY, "errors": 0}

    assert FORMS[form]([], nothing) == CLOSING.replace("1 error", "0 errors")
