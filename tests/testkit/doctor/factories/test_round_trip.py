"""When what is read back is another value."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from testkit.doctor.factories.round_trip import differs

NOON = dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)


class ByIdentity:
    """A value that nobody compares."""


class Array:
    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = None  # type: ignore[assignment]  # as arrays have it


@pytest.mark.parametrize(
    ("given", "back"),
    [
        (Decimal("1.2"), Decimal("1.20")),
        (1, Decimal(1)),
        (NOON, NOON.astimezone(dt.timezone(dt.timedelta(hours=2)))),
        (float("nan"), float("nan")),
        (ByIdentity(), ByIdentity()),
        (Array(), Array()),
    ],
)
def test_these_are_the_same_for_a_test(given: object, back: object) -> None:
    assert not differs(given, back)


@pytest.mark.parametrize(
    ("given", "back"),
    [
        (Decimal("1.239"), Decimal("1.24")),
        (1.1, Decimal("1.1")),
        (NOON.replace(tzinfo=None), NOON),
        ("text", "text   "),
        ((1, 2), [1, 2]),
        ({1: "one"}, {"1": "one"}),
    ],
)
def test_these_are_not(given: object, back: object) -> None:
    assert differs(given, back)
