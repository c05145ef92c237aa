"""Parameters are short, show no secret, and differ where values differ."""

from __future__ import annotations

from typing import Any

import pytest

from testkit.isolation.queries.parameters import shown, variant


class Unshowable:
    __hash__ = None  # type: ignore[assignment]  # what a list has as well

    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"id": 1, "name": "Ada"}, "{'id': 1, 'name': 'Ada'}"),
        ((1, "Ada", None), "(1, 'Ada', None)"),
        ({}, "{}"),
        (None, ""),
        ({"x": Unshowable()}, "{'x': <Unshowable>}"),
        ({f"n{n}": n for n in range(10)}.__class__(a=1), "{'a': 1}"),
        (tuple(range(10)), "(0, 1, 2, 3, 4, 5, 6, 7, … 2 more)"),
    ],
)
def test_parameters_are_shown_as_they_are(parameters: object, expected: str) -> None:
    assert shown(parameters) == expected


def test_a_long_value_is_cut() -> None:
    texts = [shown({"x": value}) for value in ("a" * 1_000_000, b"a" * 1_000_000, [7] * 1000)]

    assert [(len(text) < 60, text.endswith("…}")) for text in texts] == [(True, True)] * 3


def test_of_many_rows_the_first_is_shown() -> None:
    rows = [{"id": n} for n in range(1000)]

    assert (shown(rows, many=True), shown(rows[:1], many=True)) == (
        "[{'id': 0}, and 999 more]",
        "[{'id': 0}]",
    )


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"password": "sesame"}, ()),
        ({"password_hash_1": b"sesame"}, ()),
        ({"API_KEY": "sesame"}, ()),
        ({"x": '{"password": "sesame"}'}, ()),
        ({"x": {"access_token": "sesame"}}, ()),
        ({"x": "postgresql://ada:sesame@db.example/shop"}, ()),
        ({"x": "Bearer sesame"}, ()),
        ({"x": "$2b$12$sesame"}, ()),
        ({"x": "eyJhbGciOiJIUzI1NiJ9.sesame"}, ()),
        ({"x": "-----BEGIN PRIVATE KEY-----sesame"}, ()),
        ((1, "sesame"), ("id", "password")),
        # One INSERT for several rows names the places of one.
        ((1, "sesame", 2, "sesame"), ("id", "password")),
        ([{"password": "sesame"}], ()),
    ],
)
def test_what_looks_like_a_secret_is_not_shown(parameters: Any, names: tuple[str, ...]) -> None:
    text = shown(parameters, names=names, many=isinstance(parameters, list))

    assert ("sesame" in text, "***" in text) == (False, True)


def test_names_without_a_secret_hide_nothing() -> None:
    assert shown((1, "x", 2, "y"), names=("id", "name")) == "(1, 'x', 2, 'y')"


def test_statements_are_the_same_where_text_and_values_are() -> None:
    sent = [
        variant("a", {"x": 1}),
        variant("a", {"x": 1}),
        variant("a", {"x": 2}),
        variant("b", {"x": 1}),
        variant("a", (1, [2])),
        variant("a", (1, [2])),
        variant("a", (1, [3])),
        variant("a", None),
        variant("a", [{"x": {}}]),
        variant("a", [Unshowable()]),
    ]

    assert len(set(sent)) == len(sent) - 2
