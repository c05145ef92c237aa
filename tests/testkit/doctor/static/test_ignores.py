"""What a person chose to leave is left, if they say why."""

from __future__ import annotations

from testkit.doctor.rules import UNREASONED
from testkit.doctor.static.check import check_text
from testkit.doctor.static.ignores import WITHOUT_REASON, ignored

SKIP = "import pytest\n\n@pytest.mark.skip{}\ndef test_it(): ...\n"


def codes(text: str) -> list[str]:
    return [found.code for found in check_text("/test_it.py", text, {"TD501", UNREASONED.code})]


def test_a_comment_with_a_reason_leaves_the_finding_of_its_line() -> None:
    assert codes(SKIP.format("")) == ["TD501"]
    assert codes(SKIP.format("  # testkit: ignore[TD501] the issue tracker is gone")) == []


def test_a_comment_of_a_line_of_its_own_is_about_the_next_line() -> None:
    text = SKIP.format("").replace("@pytest", "# testkit: ignore[td501, TD202] known\n@pytest")

    assert codes(text) == []


def test_a_comment_without_a_reason_ignores_nothing_and_is_told() -> None:
    assert codes(SKIP.format("  # testkit: ignore[TD501]")) == ["TD200", "TD501"]


def test_another_code_is_not_ignored() -> None:
    assert codes(SKIP.format("  # testkit: ignore[TD201] known")) == ["TD501"]


def test_the_words_in_a_text_are_no_comment() -> None:
    assert ignored('x = "# testkit: ignore[TD501] no"\n') == {}
    assert ignored('def (  # testkit: ignore[TD501]\n"""') in ({}, {1: frozenset({WITHOUT_REASON})})
