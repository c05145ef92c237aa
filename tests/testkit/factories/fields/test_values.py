"""Values hold to their column's type and bounds, and look like what the column is called."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import re
import struct
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, Final

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.types import NullType, UserDefinedType

from testkit.core.messages import TestkitError
from testkit.factories.fields import Bounds, plain, read_checks, unique
from tests.support.counted_draws import counted_draws

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

FREE: Final = Bounds()
DAYS: Final = st.dates(dt.date(1900, 1, 1), dt.date(2100, 1, 1))
MOMENTS: Final = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 1, 1))  # noqa: DTZ001 - both kinds
NUMBERS: Final = st.integers(-(10**6), 10**6)
HUNDREDTHS: Final = st.decimals(-1000, 1000, places=2)


def some(make: Any, source: object, times: int = 20) -> list[Any]:
    return [make(source) for _ in range(times)]


@pytest.mark.parametrize(
    ("name", "column_type", "looks"),
    [
        ("email", sa.String(), r"[a-z]+\.[a-z]+@example\.com"),
        ("email_address", sa.Text(), r"[a-z]+\.[a-z]+@example\.com"),
        ("homepage_url", sa.String(200), r"https://example\.com/[a-z]+-[a-z]+"),
        ("phone_number", sa.String(), r"\+1555\d{7}"),
        ("first_name", sa.String(40), r"[A-Z][a-z]+"),
        ("billing_country_code", sa.String(2), r"[A-Z]{2}"),
        ("currency", sa.CHAR(3), r"[A-Z]{3}"),
        ("name", sa.String(), r"[A-Z][a-z]+ [a-z]+"),
        ("anything", sa.String(), r"[a-z]+ [a-z]+"),
        ("initials", sa.String(2), r"[a-z]{2}"),
        ("color", pg.CITEXT(), r"#[0-9a-f]{6}"),
        ("description", sa.Text(), r"The .+ is near the .+\."),
    ],
)
def test_texts_look_like_what_the_column_is_called(
    name: str, column_type: TypeEngine[Any], looks: str
) -> None:
    for text in some(plain(column_type, FREE, name), Random(5)):
        assert re.fullmatch(looks, text)


@pytest.mark.parametrize(
    ("name", "column_type", "text"),
    [
        ("email", sa.String(), "shop-gw1-7f3a9c2e-0001@example.com"),
        ("email", sa.String(30), "gw1-7f3a9c2e-0001@example.com"),
        ("email", sa.String(12), "0zaure60001"),
        ("url", sa.Text(), "https://example.com/shop-gw1-7f3a9c2e-0001"),
        ("name", sa.String(60), "shop-gw1-7f3a9c2e-0001"),
        ("name", sa.CHAR(24), "shop-gw1-7f3a9c2e-0001.."),
    ],
)
def test_a_unique_text_can_be_found_again(
    name: str, column_type: TypeEngine[Any], text: str
) -> None:
    make = unique(column_type, FREE, name, "shop.name", "shop")

    assert make is not None
    assert text == make(counted_draws())


def test_values_depend_on_the_random_source_alone() -> None:
    for column_type in (sa.String(20), sa.Integer(), sa.Numeric(8, 2), sa.Uuid(), pg.JSONB()):
        one, other = (plain(column_type, FREE, "name") for _ in range(2))

        assert some(one, Random(1)) == some(other, Random(1)) != some(other, Random(2))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.sampled_from([sa.String, sa.CHAR, pg.VARCHAR]))
def test_texts_have_the_length_that_is_asked_for(
    length: int, least: int, kind: type[sa.String]
) -> None:
    bounds = Bounds(min_length=min(least, length), excluded=("",))
    asked = replace(bounds, max_length=length)
    drawn = some(unique(kind(length), bounds, "name", "a.name", "row"), counted_draws())

    assert all(map(asked.admits, some(plain(kind(length), bounds, "name"), Random(6))))
    assert all(map(asked.admits, drawn))
    assert len({text.casefold().rstrip() for text in drawn}) == len(drawn)
    assert drawn == [text.lower() for text in drawn]


def ends(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Bounds]:
    """Give bounds of one value at least, with open ends and some values excluded."""
    return st.builds(
        lambda pair, low_open, high_open, excluded: Bounds(
            low=min(pair), high=max(pair), low_open=low_open, high_open=high_open, excluded=excluded
        ),
        st.tuples(values, values),
        st.booleans(),
        st.booleans(),
        st.lists(values, max_size=3).map(tuple),
    )


BOUNDED: Final = st.one_of(
    st.tuples(st.just(sa.Integer()), ends(NUMBERS)),
    st.tuples(st.just(sa.Integer()), ends(st.integers(0, 5))),
    st.tuples(st.just(sa.Integer()), ends(HUNDREDTHS)),
    st.tuples(st.just(sa.Numeric(9, 2)), ends(HUNDREDTHS)),
    st.tuples(st.just(sa.Numeric(9, 1)), ends(HUNDREDTHS)),
    st.tuples(st.just(sa.Float()), ends(HUNDREDTHS)),
    st.tuples(st.just(sa.Date()), ends(DAYS)),
    st.tuples(st.just(sa.DateTime(timezone=True)), ends(DAYS)),
    st.tuples(st.just(sa.DateTime()), ends(MOMENTS)),
    st.tuples(st.just(sa.DateTime(timezone=True)), ends(MOMENTS)),
)


@settings(max_examples=100, deadline=None)
@given(BOUNDED)
def test_values_lie_within_their_bounds(column: tuple[TypeEngine[Any], Bounds]) -> None:
    column_type, bounds = column
    make, different = (
        plain(column_type, bounds, "a"),
        unique(column_type, bounds, "a", "t.a", "row"),
    )
    assert (make is None) == (different is None)

    if make is not None:
        assert all(map(bounds.admits, some(make, Random(7))))
        assert all(map(bounds.admits, until_used_up(different)))


def until_used_up(make: Any, most: int = 50) -> list[Any]:
    """Return what is drawn; every value must be another one."""
    draws = counted_draws()
    given: list[Any] = []
    with contextlib.suppress(TestkitError):
        given.extend(make(draws) for _ in range(most))
    assert len(set(given)) == len(given)
    return given


@pytest.mark.parametrize(
    ("column_type", "check", "size"),
    [
        (sa.Integer(), "a BETWEEN 1 AND 5 AND a <> 3", 4),
        (sa.Numeric(3, 1), "a > 0 AND a < 1", 9),
        (sa.Numeric(2, 2), "a >= 0.97", 3),
        (sa.Date(), "a BETWEEN '2020-02-28' AND '2020-03-01'", 3),
        (pg.TIMESTAMP(precision=0), "a BETWEEN '2020-01-01' AND '2020-01-01 00:00:04'", 5),
        (sa.String(), "a ~ '^[ab]{2}$'", 4),
        (sa.Boolean(), "a IS NOT NULL", 2),
        (sa.SmallInteger(), "a % 3000 = 0 AND a > 0", 10),
        (sa.String(), "a IN ('x', 'X', 'y', 'x')", 3),
        (pg.CITEXT(), "a IN ('x', 'X', 'y')", 2),
        (sa.CHAR(), "a IS NOT NULL", 36),
        (pg.BIT(3), "a IS NOT NULL", 8),
    ],
)
def test_unique_values_are_given_up_to_the_last(
    column_type: TypeEngine[Any], check: str, size: int
) -> None:
    make = unique(column_type, read_checks([check], ["a"])["a"], "a", "t.a", "row")

    assert len(until_used_up(make)) == size


def test_what_must_be_greater_than_another_column_is() -> None:
    texts = ["low < high", "high <= 9", "starts_at <= ends_at", "ends_at < gone_at"]
    read = read_checks([*texts, "starts_at > now()"], ORDERED)
    made = {
        name: some(plain(column_type, read[name], name), Random(8), 200)
        for name, column_type in ORDERED.items()
    }

    assert max(made["low"]) < min(made["high"])
    assert max(made["starts_at"]) < min(made["ends_at"])
    assert max(made["ends_at"]) < min(made["gone_at"])


ORDERED: Final[dict[str, TypeEngine[Any]]] = {
    "low": sa.Integer(),
    "high": sa.Integer(),
    "starts_at": sa.DateTime(),
    "ends_at": sa.DateTime(),
    "gone_at": sa.DateTime(),
}


class Point(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        return "point"


@pytest.mark.parametrize(
    ("column_type", "bounds"),
    [
        (NullType(), FREE),
        (Point(), FREE),
        (pg.ARRAY(Point()), FREE),
        (sa.Integer(), Bounds(low=5, high=4)),
        (sa.Integer(), Bounds(low=5, high=6, low_open=True, high_open=True)),
        (sa.Integer(), Bounds(choices=())),
        (sa.SmallInteger(), Bounds(low=40000)),
        (sa.String(3), Bounds(min_length=4)),
        (sa.LargeBinary(3), Bounds(min_length=4)),
        (sa.String(), Bounds(pattern=r"\mcat")),
        (sa.Enum("a", name="letter"), Bounds(excluded=("a",))),
    ],
)
def test_nothing_is_made_where_nothing_is_known_or_possible(
    column_type: TypeEngine[Any], bounds: Bounds
) -> None:
    assert plain(column_type, bounds, "a") is None
    assert unique(column_type, bounds, "a", "t.a", "row") is None


def test_floats_are_different_after_rounding_to_single_precision() -> None:
    for check in ("a BETWEEN 0 AND 1", "a > 1000000", "a IS NOT NULL", "a BETWEEN -90 AND 90"):
        make = unique(sa.REAL(), read_checks([check], ["a"])["a"], "a", "t.a", "row")
        made = until_used_up(make, 200)

        assert all(map(math.isfinite, made))
        assert len({single(value) for value in made}) == len(made)


def single(value: float) -> bytes:
    return struct.pack("f", value)


def test_decimals_have_the_scale_of_the_column() -> None:
    for precision, scale in ((5, 2), (4, 4), (38, 20), (6, 0)):
        make = unique(sa.Numeric(precision, scale), FREE, "a", "t.a", "row")
        for value in until_used_up(make):
            assert isinstance(value, Decimal)
            assert value == round(value, scale)
            assert abs(value) < 10 ** (precision - scale)


def test_the_variant_for_postgres_is_taken() -> None:
    column_type = sa.String().with_variant(sa.Integer(), "postgresql")

    assert all(isinstance(value, int) for value in some(plain(column_type, FREE, "a"), Random(9)))


def test_ranges_do_not_overlap() -> None:
    for column_type in (pg.INT4RANGE(), pg.NUMRANGE(), pg.DATERANGE(), pg.TSTZRANGE()):
        spans = sorted(
            until_used_up(unique(column_type, FREE, "a", "t.a", "row")), key=lambda span: span.lower
        )

        assert all(one.upper <= two.lower for one, two in pairwise(spans))
