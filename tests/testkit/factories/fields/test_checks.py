"""What the SQL of CHECK constraints says of columns."""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from testkit.factories.fields import Bounds, plain, read_checks

if TYPE_CHECKING:
    from random import Random

COLUMNS: Final = (
    "price", "percent", "status", "code", "name", "email", "starts_at", "ends_at", "active", "tags",
    "Price",
)  # fmt: skip
CAPITALS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("price > 0", Bounds(low=0, low_open=True)),
        ("0 < price", Bounds(low=0, low_open=True)),
        ("PRICE>0", Bounds(low=0, low_open=True)),
        ("(((price) > (0)))", Bounds(low=0, low_open=True)),
        ("shop.modules.price > 0", Bounds(low=0, low_open=True)),
        ('"modules"."price" > 0', Bounds(low=0, low_open=True)),
        ("(price)::numeric > '0'::numeric", Bounds(low=0, low_open=True)),
        ("price > CAST('0' AS numeric(10, 2))", Bounds(low=0, low_open=True)),
        ("price > - 1.5e2 -- at least", Bounds(low=Decimal(-150), low_open=True)),
        ("price <= 1024 * 1024 - 1", Bounds(high=1048575)),
        ("modules.price >= 0 AND price <= 100", Bounds(low=0, high=100)),
        ("price BETWEEN 0 AND 1 AND price <> 1", Bounds(low=0, high=1, excluded=(1,))),
        ("NOT (price < 0)", Bounds(low=0)),
        ("NOT (price < 0 OR price > 9)", Bounds(low=0, high=9)),
        ("price IS NULL OR price > 0", Bounds(low=0, low_open=True)),
        ("COALESCE(price, 0) >= 0", Bounds(low=0)),
        ("price IS NOT NULL", Bounds(required=True)),
        ("price IS DISTINCT FROM 5", Bounds(excluded=(5,))),
        ("price NOT IN (1, 2)", Bounds(excluded=(1, 2))),
        ("price <> ALL (ARRAY[1, 2])", Bounds(excluded=(1, 2))),
        ("price = ANY ('{1,2}'::int[])", Bounds(choices=("1", "2"))),
        ("CHECK ((price > 0))", Bounds(low=0, low_open=True)),
        ("price > 0 AND tags @> '{a}' AND data->>'a' = 'b'", Bounds(low=0, low_open=True)),
        ("price>-5 AND price<+5", Bounds(low=-5, high=5, low_open=True, high_open=True)),
        ("price > 0 AND price = power(CASE WHEN x THEN 1 END, 2)", Bounds(low=0, low_open=True)),
        ("(price > 0 AND price[1] = 2 AND (price < 9))", Bounds(low=0, high=9, low_open=True, high_open=True)),
    ],
)  # fmt: skip
def test_numbers(text: str, expected: Bounds) -> None:
    assert {"price": expected} == read_checks([text], COLUMNS)


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("status IN ('a', 'it''s')", "status", Bounds(choices=("a", "it's"))),
        ("status = ANY (ARRAY['a'::text, 'b'::text])", "status", Bounds(choices=("a", "b"))),
        (
            "((status)::text = ANY ((ARRAY['a'::character varying, 'b'])::text[]))",
            "status",
            Bounds(choices=("a", "b")),
        ),
        ("status = 'a' OR status = 'b' OR status IN ('c')", "status", Bounds(choices=("a", "b", "c"))),
        ("lower(status) IN ('a')", "status", Bounds(choices=("a",))),
        ("length(code) = 3", "code", Bounds(min_length=3, max_length=3)),
        ("char_length(name) >= 2", "name", Bounds(min_length=2)),
        ("10 > length(btrim(name))", "name", Bounds(max_length=9)),
        ("name <> ''", "name", Bounds(excluded=("",))),
        ("trim(BOTH FROM name) <> ''::text", "name", Bounds(excluded=("",))),
        ("trim(name) != ''", "name", Bounds(excluded=("",))),
        ("code ~ '^[A-Z]{3}$'", "code", Bounds(pattern="^[A-Z]{3}$")),
        (r"code ~ E'^\\d+$'", "code", Bounds(pattern=r"^\d+$")),
        ("code ~* '^x'", "code", Bounds(pattern="(?i)^x")),
        ("code !~ '[^a-c]'", "code", Bounds(pattern="^[abc]*$")),
        ("email LIKE '%@%'", "email", Bounds(pattern=r"\@")),
        ("email LIKE '%%@%%'", "email", Bounds(pattern=r"\@")),
        ("email ~~ 'a_c%'::text", "email", Bounds(pattern="^a.c")),
        ("email ILIKE '%.org'", "email", Bounds(pattern=r"(?i)\.org$")),
        ("strpos(email, '@') > 0", "email", Bounds(pattern=r"\@")),
        ("starts_with(code, 'x-')", "code", Bounds(pattern=r"^x\-")),
        ("lower(name) = name", "name", Bounds(pattern=f"^[^{CAPITALS}]*$")),
        ("cardinality(tags) > 0", "tags", Bounds(min_length=1)),
        ("array_length(tags, 1) <= 4", "tags", Bounds(max_length=4)),
        ("active", "active", Bounds(choices=(True,))),
        ("NOT active", "active", Bounds(choices=(False,))),
        ("active IS NOT FALSE", "active", Bounds(excluded=(False,))),
        ("starts_at >= '2020-01-01'", "starts_at", Bounds(low=dt.date(2020, 1, 1))),
        (
            "starts_at < TIMESTAMP '2020-01-01 12:00'",
            "starts_at",
            Bounds(high=dt.datetime(2020, 1, 1, 12), high_open=True),  # noqa: DTZ001 - as written
        ),
        ('"Price" > 0', "Price", Bounds(low=0, low_open=True)),
    ],
)  # fmt: skip
def test_other_columns(text: str, column: str, expected: Bounds) -> None:
    assert {column: expected} == read_checks([text], COLUMNS)


def test_columns_that_are_compared_both_know_of_it() -> None:
    assert read_checks(["ends_at > starts_at"], COLUMNS) == {
        "ends_at": Bounds(above=("starts_at",)),
        "starts_at": Bounds(below=("ends_at",)),
    }


def test_bounds_reach_along_a_chain_of_columns() -> None:
    texts = ["price < percent", "percent < code", "price >= 5", "code <= 9"]

    assert read_checks(texts, COLUMNS) == {
        "price": Bounds(low=5, high=9, below=("percent",)),
        "percent": Bounds(low=5, high=9, above=("price",), below=("code",)),
        "code": Bounds(low=5, high=9, above=("percent",)),
    }


def test_what_must_have_been_lies_before_what_must_come() -> None:
    read = read_checks(["starts_at <= now()", "ends_at > CURRENT_DATE"], COLUMNS)

    assert read["starts_at"].high is not None
    assert isinstance(read["starts_at"].high, dt.date)
    assert isinstance(read["ends_at"].low, dt.date)
    assert read["starts_at"].high < dt.date(2026, 1, 1) < read["ends_at"].low


def test_a_divisor_gives_multiples() -> None:
    read = read_checks(["percent % 5 = 0", "percent BETWEEN 0 AND 20"], COLUMNS)

    assert read["percent"].choices == (0, 5, 10, 15, 20)


def test_several_divisors_give_multiples_of_all() -> None:
    read = read_checks(["percent % 4 = 0 AND mod(percent, 6) = 0 AND percent <= 40"], COLUMNS)

    assert read["percent"].choices == (12, 24, 36)


def test_of_branches_the_first_is_taken_that_does_not_contradict_the_rest() -> None:
    texts = ["status = 'new' OR price > 5", "status IN ('old', 'older')"]

    assert read_checks(texts, COLUMNS) == {
        "status": Bounds(choices=("old", "older")),
        "price": Bounds(low=5, low_open=True),
    }


def test_a_branch_that_is_not_read_whole_is_not_taken() -> None:
    read = read_checks(["(price > 5 AND odd(price)) OR status = 'a'"], COLUMNS)

    assert read == {"status": Bounds(choices=("a",))}


@pytest.mark.parametrize(
    "text",
    [
        "", "(", "price >", "price > 'cheap'", "other > 0", "price > (SELECT 1)", "price = NULL",
        "price::int > 0", "CASE WHEN price > 0 THEN true ELSE false END", "price @> 1",
        "num_nonnulls(price, code) = 1", "price > interval '1 day'", "price IS NULL", "'open",
        "price + percent > 0", "odd(price) OR odd(percent)", "tags[1] = 'a'", "name = ANY (tags)",
        "price > 'NaN'::numeric", "name = $$a AND price > 0 AND b$$", "price @ 1", "price > 1e99999999", "price < 1e-99999999",
        f"{'(' * 3000}price > 0{')' * 3000}", f"price > {'9' * 5000}", f"price > '{'9' * 5000}'::int",
        "price -> 1 = 2", "status <> ANY (ARRAY['a', 'b'])", "price = ALL (ARRAY[1, 2])",
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_what_cannot_be_read_is_left_out(text: str) -> None:
    assert read_checks([text], COLUMNS) == {}


WORDS: Final = st.sampled_from(
    ["price", "name", "(", ")", "AND", "OR", "NOT", "IN", "BETWEEN", "IS", "NULL", "LIKE", "'%a'", "'x''y'",
     "1", "2.5", "-3", "<", ">=", "<>", "=", "%", "+", "~", "::", "text", "ARRAY", "[", "]", ",", ".", "ANY",
     "CAST", "AS", "now()", "::numeric", '"Price"', "E'\\\\d'", "'{1,2}'::int[]"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS, max_size=14).map(" ".join)))
def test_no_text_raises(text: str) -> None:
    for column, bounds in read_checks([text], COLUMNS).items():
        assert column in COLUMNS
        assert isinstance(bounds, Bounds)


Predicate = Callable[[int], bool]
Condition = tuple[str, Predicate]
NUMBERS: Final = st.integers(-50, 50)
SIGNS: Final[dict[str, Callable[[int, int], bool]]] = {
    "<": operator.lt, "<=": operator.le, "=": operator.eq,
    "<>": operator.ne, ">=": operator.ge, ">": operator.gt,
}  # fmt: skip


def compared(sign: str, number: int) -> Condition:
    return f"price {sign} {number}", lambda price: SIGNS[sign](price, number)


def between(low: int, high: int) -> Condition:
    return f"price BETWEEN {low} AND {high}", lambda price: low <= price <= high


def listed(numbers: list[int]) -> Condition:
    return f"price IN ({', '.join(map(str, numbers))})", lambda price: price in numbers


def negated(inner: Condition) -> Condition:
    return f"NOT ({inner[0]})", lambda price: not inner[1](price)


def joined(word: str, some: list[Condition]) -> Condition:
    quantified = all if word == "AND" else any
    text = f" {word} ".join(f"({each})" for each, _ in some)
    return text, lambda price: quantified(holds(price) for _, holds in some)


CONDITIONS: Final = st.recursive(
    st.one_of(
        st.builds(compared, st.sampled_from(list(SIGNS)), NUMBERS),
        st.builds(between, NUMBERS, NUMBERS),
        st.builds(listed, st.lists(NUMBERS, min_size=1, max_size=5)),
    ),
    lambda inner: st.one_of(
        st.builds(joined, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)),
        st.builds(negated, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_values_hold_to_all_conditions(conditions: list[Condition], random: Random) -> None:
    bounds = read_checks([text for text, _ in conditions], ["price"]).get("price", Bounds())
    make = plain(sa.Integer(), bounds, "price")
    satisfiable = any(all(holds(price) for _, holds in conditions) for price in range(-60, 60))

    if satisfiable and make is not None:
        price = make(random)
        assert isinstance(price, int)
        assert all(holds(price) for _, holds in conditions)
