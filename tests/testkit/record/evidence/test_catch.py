"""Nobody's code is run when a failure is caught, and no failure costs more than it may."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from testkit.record.evidence.catch import MOST_CHARACTERS
from tests.support.catching import caught_of
from tests.support.hostile_objects import RAN, Bomb, BombError, Liar, LyingMeta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def _nothing_of_theirs_is_run() -> Iterator[None]:
    RAN.clear()
    yield

    assert RAN == []


class _Named(metaclass=LyingMeta):
    pass


class _MyError(LookupError):
    def __str__(self) -> str:
        RAN.append("str of a derived error")
        return "drawn"


class _Texts(str):
    __slots__ = ()

    def __str__(self) -> str:
        RAN.append("str of a text")
        return "drawn"


def _raising(error: BaseException) -> Callable[[], None]:
    bomb, liar, named = Bomb(), Liar(), _Named()
    held = {"a": [bomb, (liar, {named: bomb})], "b": {bomb}}

    def fails() -> None:
        local = (bomb, liar, named, held)
        assert len(local) == 4
        raise error

    return fails


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError(Bomb()), "<tests.support.hostile_objects.Bomb>"),
        (ValueError("a", Liar()), "('a', <tests.support.hostile_objects.Liar>)"),
        (KeyError(_Named()), f"<{__name__}._Named>"),
        (BombError("told"), "told"),
        (_MyError("told"), "told"),
        (LookupError(_Texts("as it is")), "as it is"),
        (OSError(2, "gone", Bomb()), "(2, 'gone')"),
        (ValueError({"k": [Bomb()]}), "{'k': [<tests.support.hostile_objects.Bomb>]}"),
        (ValueError(10**5_000), "<int of 16610 bits>"),
        (ValueError(b"\xff\xfe"), "b'\\xff\\xfe'"),
        (ValueError("\udcff\x1b[31m"), "��[31m"),
        (ValueError(), ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_a_message_is_told_without_running_what_stands_in_it(
    error: BaseException, message: str
) -> None:
    assert message == caught_of(_raising(error)).chain[0].message


def test_an_assertion_about_a_hostile_object_evaluates_nothing() -> None:
    bomb: Any = Bomb()

    def fails() -> None:
        holder = {"bomb": bomb}
        raise AssertionError(bomb.active if not holder else "assert 1 == 2")

    found = caught_of(fails)

    assert found.facts("assertion")["left"] == "1"


def test_what_raises_when_it_is_derived_from_base_exception_is_caught_too() -> None:
    found = caught_of(_raising(BaseException("the end")))

    assert found.chain[0].message == "the end"


def test_a_failure_of_huge_values_stays_within_its_size_and_time() -> None:
    huge = {str(n): "v" * 10_000 for n in range(10_000)}

    def fails() -> None:
        local = huge
        raise ValueError(local, "w" * 10_000_000)

    began = time.perf_counter()
    found = caught_of(fails, seconds=0.05)
    took = time.perf_counter() - began

    assert sum(len(str(one)) for one in (*found.chain, *found.evidence)) < 2 * MOST_CHARACTERS
    assert took < 1.0  # testkit: ignore[TD622] that it ends in time is the subject


def test_what_looks_like_code_to_a_mask_takes_no_time() -> None:
    def fails() -> None:
        raise ValueError("a" * 1_000_000 + "token_" * 100_000 + "=" * 100_000)

    began = time.perf_counter()
    caught_of(fails)

    # testkit: ignore[TD622] that it ends in time is the subject
    assert time.perf_counter() - began < 1.0
