"""Regular expressions turned round."""

from __future__ import annotations

import re
from random import Random

import pytest

from testkit.factories.fields.patterns import (
    alphabets,
    sample,
    spelled,
    text_slot,
    texts_in,
)
from testkit.factories.fields.several_patterns import both_patterns, matches


@pytest.mark.parametrize(
    "pattern",
    [
        "^[A-Z]{3}$", "abc", r"^\d{4}-\d{2}$", "^a|b$", "^(ab|cd)+$", "^x?y*z+$", r"^\+[1-9]\d{1,14}$",
        "^[^a-y ]+$", r"^[\w.+-]+@[\w-]+\.[a-z]{2,}$", "^(?:a{2}|b{3,})$", "^[]a]+$", "^[a-]+$", "(?i)^a$",
        r"^\$\^\.$", "^.{5}$", "^a+?b*?$", "^((a|b)(c|d)){2}$", r"\A[xyz]\Z", "",
    ],
)  # fmt: skip
def test_samples_match(pattern: str) -> None:
    random = Random(3)
    for _ in range(50):
        text = sample(pattern, random, min_length=0, max_length=None)

        assert text is not None
        assert re.search(pattern, text)
        assert matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "size"),
    [
        ("^[A-Z]{3}$", 26**3), ("^(red|green)-[0-9]$", 10), ("^[a-zA-Z]$", 26), ("^x$", 1), (r"^\d?$", 10),
    ],
)  # fmt: skip
def test_texts_of_a_pattern_are_counted(pattern: str, size: int) -> None:
    places = alphabets(pattern, min_length=0, max_length=None)
    assert places is not None
    texts = {spelled(number, places) for number in range(texts_in(places))}

    assert len({text.casefold() for text in texts}) == size == texts_in(places)
    assert all(re.search(pattern, text) for text in texts)


@pytest.mark.parametrize(
    ("pattern", "head", "tail", "room"),
    [
        ("^[a-z0-9-]+$", "", "", None),
        ("@", "", "@example.com", None),
        ("^usr_.+$", "usr_", "@example.com", None),
        (r"^[^@]+@[a-z]+\.org$", "", "@a.org", None),
        ("^x[a-z0-9-]{1,20}$", "x", "", 20),
    ],
)
def test_a_drawn_text_has_its_place(pattern: str, head: str, tail: str, room: int | None) -> None:
    slot = text_slot(pattern, ending="@example.com")

    assert slot is not None
    assert (slot.head, slot.tail, slot.room) == (head, tail, room)


@pytest.mark.parametrize(
    "pattern", ["^[a-z]+$", "^[a-z0-9-]{4}$", "^[A-Z0-9-]+$", r"(\w)\1", "[[:x:]]"]
)
def test_there_is_not_always_a_place(pattern: str) -> None:
    assert text_slot(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a)\1",
        "(?=a)",
        "a{2,1}",
        "[b-a]",
        "(",
        "*",
        "a**",
        "^a^",
        "(" * 3000 + "a" + ")" * 3000,
        "[[:x:]]",
    ],
    ids=lambda pattern: pattern[:20],
)
def test_what_is_not_read_is_not_turned_round(pattern: str) -> None:
    assert sample(pattern, Random(3), min_length=0, max_length=None) is None
    assert alphabets(pattern, min_length=0, max_length=None) is None


def test_both_of_two_patterns_are_looked_for() -> None:
    both = both_patterns("^a", both_patterns("b$", "^[^ ]*$"))

    assert both is not None
    assert [text for text in ("ab", "a", "b", "a b", "a-b") if matches(both, text)] == ["ab", "a-b"]


def test_a_text_for_several_patterns_has_the_characters_of_all() -> None:
    both = both_patterns("^[a-z0-9_]+$", "^[^_]*$")
    assert both is not None
    places = alphabets(both, min_length=0, max_length=8)

    assert places is not None
    assert "_" not in "".join(places)
