"""The table of named causes: each row names what it should, and leaves what only looks like it."""

from __future__ import annotations

from string import Formatter

from testkit.doctor.groups import ALL_RULES
from testkit.triage.rules import ALL, BY_ID
from testkit.triage.triage import triage
from tests.support.rule_examples import GOOD, NEAR_MISSES


def test_a_rule_names_its_examples() -> None:
    found = {rule: [triage([one]).causes[0].rule for one in GOOD[rule]] for rule in GOOD}

    assert {rule: [rule] * len(GOOD[rule]) for rule in GOOD} == found


def test_a_rule_leaves_what_only_looks_like_it() -> None:
    found = {
        rule: [one.message for one in NEAR_MISSES[rule] if triage([one]).causes[0].rule == rule]
        for rule in NEAR_MISSES
    }

    assert {rule: [] for rule in NEAR_MISSES} == found


def test_every_rule_has_an_example() -> None:
    assert sorted(GOOD) == sorted(BY_ID)


def test_no_two_rules_share_an_id() -> None:
    assert len(BY_ID) == len(ALL)


def test_titles_are_filled() -> None:
    titles = {rule.id: triage([GOOD[rule.id][0]]).causes[0].title for rule in ALL}

    assert [title for title in titles.values() if "{" in title or title.endswith((":", ","))] == []


def test_a_rule_tells_why_and_what_to_do() -> None:
    names = {name for rule in ALL for _, name, _, _ in Formatter().parse(rule.title) if name}

    assert all(name.isidentifier() for name in names)
    assert [
        rule.id for rule in ALL if not (rule.why.endswith(".") and rule.fix.endswith("."))
    ] == []
    assert [rule.id for rule in ALL if rule.doctor and rule.doctor not in ALL_RULES] == []


def test_no_cue_has_a_digit() -> None:
    cues = [cue for rule in ALL for cue in rule.cues]

    assert [cue for cue in cues if any(character.isdigit() for character in cue)] == []
