"""Functions of the module time, replaced in the object that everybody holds."""

from __future__ import annotations

import time
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import pytest

from testkit.clock.builtin_functions import BuiltinFunction, builtin_function
from testkit.clock.callers import counts, keeps_real_monotonic, keeps_real_wall
from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def function() -> Iterator[BuiltinFunction]:
    """time.monotonic_ns, put back at the end."""
    function = builtin_function("monotonic_ns")
    yield function
    function.restore()


def test_every_holder_of_the_function_gets_what_stands_for_it(function: BuiltinFunction) -> None:
    function.replace(lambda: 7)

    assert (monotonic_ns(), time.monotonic_ns(), function.real() > 7) == (7, 7, True)


def test_an_exception_passes_through(function: BuiltinFunction) -> None:
    function.replace({}.__getitem__)
    with pytest.raises(TypeError):
        monotonic_ns()


def test_put_back_it_is_the_same_object_as_before(function: BuiltinFunction) -> None:
    before: Any = vars(time)["monotonic_ns"]
    function.replace(lambda: 7)
    function.restore()
    function.restore()

    assert before.__self__ is time
    assert vars(time)["monotonic_ns"] is before is monotonic_ns
    assert monotonic_ns() > 7


def test_what_is_laid_out_otherwise_is_refused() -> None:
    with pytest.raises(TestkitError, match=r"TK662: time\.struct_time is not laid out"):
        BuiltinFunction("struct_time")


@pytest.mark.parametrize(
    ("module", "monotonic", "wall", "counted"),
    [
        ("threading", True, False, False),
        ("concurrent.futures._base", True, False, False),
        ("psycopg.waiting", True, False, False),
        ("redis.lock", True, False, False),
        ("sqlalchemy.util.queue", True, True, False),
        ("_pytest.timing", True, True, False),
        ("pytest_timeout", True, True, True),
        ("testkit.servers.gone", True, True, False),
        ("logging", False, False, False),
        ("cachetools", False, False, True),
        ("circuitbreaker", False, False, True),
        ("thread_pools", False, False, True),
        ("", False, False, True),
    ],
)
def test_who_keeps_real_time(module: str, monotonic: bool, wall: bool, counted: bool) -> None:  # noqa: FBT001 - a table
    assert (keeps_real_monotonic(module), keeps_real_wall(module), counts(module)) == (
        monotonic,
        wall,
        counted,
    )
