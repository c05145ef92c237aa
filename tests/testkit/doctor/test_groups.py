"""What --select may name."""

from __future__ import annotations

import pytest

from testkit.core.messages import TestkitError
from testkit.doctor.groups import ALL_RULES, GROUPS, selected


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (["factories"], set(ALL_RULES)),
        (["Factories"], set(ALL_RULES)),
        (["TD103"], {"TD103"}),
        (["td103, TD104"], {"TD103", "TD104"}),
        (["TD103", "TD104"], {"TD103", "TD104"}),
    ],
)
def test_groups_and_codes_can_be_selected(words: list[str], codes: set[str]) -> None:
    assert selected(words) == codes


@pytest.mark.parametrize("words", [[], [""], [" , "]])
def test_nothing_selected_is_wrong_use(words: list[str]) -> None:
    with pytest.raises(TestkitError) as raised:
        selected(words)

    assert raised.value.code == "TK431"


@pytest.mark.parametrize(("word", "nearest"), [("factory", "factories"), ("TD1O3", "TD103")])
def test_an_unknown_name_is_told_with_the_nearest(word: str, nearest: str) -> None:
    with pytest.raises(TestkitError) as raised:
        selected(["TD104", word])

    assert (raised.value.code, raised.value.values["nearest"]) == ("TK432", nearest)


def test_each_rule_has_a_code_of_its_own_and_says_what_to_do() -> None:
    rules = [rule for group in GROUPS.values() for rule in group]

    assert [rule.code for rule in rules] == sorted({rule.code for rule in rules})
    assert all(rule.title and rule.why and rule.fix.endswith(".") for rule in rules)
    assert not any("\n" in rule.fix for rule in rules)
