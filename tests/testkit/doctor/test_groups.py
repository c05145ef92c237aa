"""What --select may name."""

from __future__ import annotations

import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.doctor.groups import GROUPS, READING, beside_the_point, selected


@pytest.mark.parametrize(
    ("words", "codes"),
    [
        (["factories"], {rule.code for rule in GROUPS["factories"]}),
        (["Factories"], {rule.code for rule in GROUPS["factories"]}),
        ([], set(READING)),
        (
            ["models,async"],
            {"TD201", "TD202", "TD203", "TD301", "TD302", "TD303", "TD304", "TD305"},
        ),
        (["TD103"], {"TD103"}),
        (["td103, TD104"], {"TD103", "TD104"}),
        (["TD103", "TD104"], {"TD103", "TD104"}),
    ],
)
def test_groups_and_codes_can_be_selected(words: list[str], codes: set[str]) -> None:
    assert selected(words) == codes


@pytest.mark.parametrize("words", [[""], [" , "]])
def test_nothing_selected_is_wrong_use(words: list[str]) -> None:
    with pytest.raises(TestkitError) as raised:
        selected(words)

    assert raised.value.code == "TK431"


@pytest.mark.parametrize(("word", "nearest"), [("factory", "factories"), ("TD1O3", "TD103")])
def test_an_unknown_name_is_told_with_the_nearest(word: str, nearest: str) -> None:
    with pytest.raises(TestkitError) as raised:
        selected(["TD104", word])

    assert (raised.value.code, raised.value.values["nearest"]) == ("TK432", nearest)


def test_what_is_ignored_is_left_out() -> None:
    assert selected(["models"], ["td201"]) == {"TD202", "TD203"}
    assert selected([], ["models", "TD301"]) == READING - {"TD201", "TD202", "TD203", "TD301"}


def test_nothing_is_left_where_all_is_ignored() -> None:
    with pytest.raises(TestkitError) as raised:
        selected(["models"], ["models"])

    assert raised.value.code == "TK431"


@pytest.mark.parametrize(
    ("settings", "codes"),
    [
        (Settings(), set()),
        (Settings(configured=True), {"TD401"}),
        (Settings(configured=True, redis="redis://cache.example:6379/3"), set()),
    ],
)
def test_a_redis_of_the_workers_own_may_be_emptied(settings: Settings, codes: set[str]) -> None:
    assert beside_the_point(settings) == codes


def test_each_rule_has_a_code_of_its_own_and_says_what_to_do() -> None:
    rules = [rule for group in GROUPS.values() for rule in group]

    assert [rule.code for rule in rules] == sorted({rule.code for rule in rules})
    assert all(rule.title and rule.why and rule.fix.endswith(".") for rule in rules)
    assert not any("\n" in rule.fix for rule in rules)
