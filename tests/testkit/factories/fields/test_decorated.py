"""A ``TypeDecorator`` gets values that it takes, or none."""

from __future__ import annotations

import datetime as dt
import enum
import json
from random import Random
from typing import Any, Final

import pytest
import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from testkit.factories.fields import Bounds, plain, unique
from tests.support.counted_draws import counted_draws

# What SQLAlchemy gives besides the value is of no use here.
# ruff: noqa: ARG002


class Level(enum.Enum):
    low = 1
    high = 2


class Decorated(TypeDecorator[Any]):
    """Leaves its values as they are."""

    impl = sa.String
    cache_ok = True


class Aware(TypeDecorator[Any]):
    cache_ok = True
    impl = sa.DateTime

    def process_bind_param(self, value: dt.datetime | None, dialect: sa.Dialect) -> Any:
        assert value is not None
        if value.tzinfo is None:
            raise ValueError("no zone")
        return value.astimezone(dt.UTC).replace(tzinfo=None)


class Seconds(TypeDecorator[Any]):
    cache_ok = True
    impl = sa.BigInteger

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> int:
        return int(value.timestamp())

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> dt.datetime:
        return dt.datetime.fromtimestamp(value, dt.UTC)


class Levels(TypeDecorator[Any]):
    cache_ok = True
    impl = sa.Integer

    def __init__(self) -> None:
        super().__init__()
        self.members = Level

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> Any:
        return value.value

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Level:
        return Level(value)


class Secret(TypeDecorator[Any]):
    cache_ok = True
    impl = sa.LargeBinary

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:
        return value.encode()[::-1] if value is not None else None


class Document(TypeDecorator[Any]):
    cache_ok = True
    impl = sa.Text

    @property
    def python_type(self) -> type[Any]:
        return dict

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        return json.dumps({**value})


class Point(TypeDecorator[Any]):
    """Of a class of the project's own."""

    cache_ok = True
    impl = sa.String

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        return f"{value.x} {value.y}"


class ReadBack(TypeDecorator[Any]):
    """Takes anything, but cannot read it."""

    cache_ok = True
    impl = sa.String

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str:
        return str(value)

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        raise ValueError(value)


class Rounded(TypeDecorator[Any]):
    """Makes all values one."""

    cache_ok = True
    impl = sa.Integer

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> int:
        return 0


FREE: Final = Bounds()


@pytest.mark.parametrize(
    ("decorator", "expected"),
    [
        (Decorated(20), str),
        (Aware(), dt.datetime),
        (Seconds(), dt.datetime),
        (Levels(), Level),
        (Secret(), str),
        (Document(), dict),
    ],
)
def test_a_decorator_gets_values_that_it_takes(
    decorator: TypeDecorator[Any], expected: type
) -> None:
    make, different = plain(decorator, FREE, "a"), unique(decorator, FREE, "a", "t.a", "row")
    assert make is not None
    assert different is not None

    assert isinstance(make(Random(1)), expected)
    draws = counted_draws()
    assert different(draws) != different(draws)


@pytest.mark.parametrize("decorator", [Point(), ReadBack()])
def test_a_decorator_that_takes_nothing_gets_nothing(decorator: TypeDecorator[Any]) -> None:
    assert plain(decorator, FREE, "a") is None
    assert unique(decorator, FREE, "a", "t.a", "row") is None


def test_a_decorator_that_makes_values_equal_has_no_unique_ones() -> None:
    assert plain(Rounded(), FREE, "a") is not None
    assert unique(Rounded(), FREE, "a", "t.a", "row") is None


def test_what_is_stored_holds_to_the_bounds() -> None:
    late = plain(Seconds(), Bounds(low=0), "a")

    assert late is not None
    assert plain(Seconds(), Bounds(high=0), "a") is None
