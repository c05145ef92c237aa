"""Each rule finds its bad examples, at the lines that they name, and nothing in its good ones."""

from __future__ import annotations

import re
import textwrap
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.doctor.rewriting.plan import plan
from testkit.doctor.rules import MODULES
from testkit.doctor.static.check import check_text, check_texts, read_files

if TYPE_CHECKING:
    from types import ModuleType

RULES: Final = list(chain.from_iterable(MODULES.values()))
BAD: Final = [(rule, text) for rule in RULES for text in rule.BAD]
FIXED: Final = [
    (rule, text, fixed)
    for rule in RULES
    if hasattr(rule, "FIXED")
    for text, fixed in zip(rule.BAD, rule.FIXED, strict=True)
]
GOOD: Final = [(rule, text) for rule in RULES for text in rule.GOOD]


def name(value: Any) -> str | None:
    return str(value.RULE.code) if hasattr(value, "RULE") else None


def files_of(text: str, root: str = "/project/") -> dict[str, str]:
    """Part an example at its lines ``# file: …``; one without is a test file."""
    parts = re.split(r"(?m)^# file: (.+)\n", textwrap.dedent(text))
    named = dict(zip(parts[1::2], parts[2::2], strict=True)) or {"tests/test_it.py": parts[0]}
    return {f"{root}{name}": each for name, each in named.items()}


def places_found(rule: ModuleType, text: str) -> list[tuple[str, int]]:
    findings = check_texts(files_of(text), {rule.RULE.code})
    return [(finding.path, finding.line) for finding in findings]


@pytest.mark.parametrize(("rule", "text"), BAD, ids=name)
def test_a_bad_example_is_found_at_its_lines(rule: ModuleType, text: str) -> None:
    expected = [
        (path, number)
        for path, each in sorted(files_of(text).items())
        for number, line in enumerate(each.splitlines(), 1)
        if line.endswith("# here")
    ]

    assert places_found(rule, text) == expected
    assert expected


@pytest.mark.parametrize(("rule", "text", "fixed"), FIXED, ids=name)
def test_a_bad_example_is_rewritten_as_stated_and_only_once(
    rule: ModuleType, text: str, fixed: str, tmp_path: Path
) -> None:
    written = {tmp_path / name: each for name, each in files_of(text, "").items()}
    for path, each in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(each)
    reading = read_files(sorted(written), {rule.RULE.code}, tmp_path)
    rewrites, refused = plan(reading)

    assert refused == {}
    new = {str(Path(each.path).relative_to(tmp_path)): each.text for each in rewrites}
    for name, expected in files_of(fixed, "").items():  # files that change
        assert new.get(name, files_of(text, "")[name]) == expected
    assert [finding for finding in reading.findings() if finding.fixable] == []


@pytest.mark.parametrize(("rule", "text"), GOOD, ids=name)
def test_nothing_is_found_in_a_good_example(rule: ModuleType, text: str) -> None:
    assert places_found(rule, text) == []


def test_every_rule_has_examples_of_both_kinds() -> None:
    assert [rule.RULE.code for rule in RULES if not (rule.BAD and rule.GOOD)] == []
    assert len(RULES) >= 6


def test_a_reason_is_a_sentence_without_its_full_stop() -> None:
    for rule, text in BAD:
        for finding in check_texts(files_of(text), {rule.RULE.code}):
            assert finding.reason
            assert not finding.reason.endswith(".")


def test_what_only_tests_must_not_do_is_not_found_elsewhere() -> None:
    text = "client.flushall()\n"

    assert check_text("/app/maintenance.py", text, {"TD401"}) == []
    assert len(check_text("/tests/conftest.py", text, {"TD401"})) == 1
