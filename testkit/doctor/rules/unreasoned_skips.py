"""TD501: a test that is skipped, and nobody says why."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD501",
    "A test is skipped without a reason",
    "warning",
    "The report says `unconditional skip`, a year later nobody knows whether the test would pass, and nobody dares to run it or to remove it.",
    'Say why, and until when: @pytest.mark.skip(reason="waits for the new importer, #123"); or remove the test.',
)
_SKIP: Final = "pytest.mark.skip"
_SKIPIF: Final = "pytest.mark.skipif"
_CALL: Final = "pytest.skip"
BAD: Final = (
    """
    import pytest

    @pytest.mark.skip  # here
    def test_one():
        ...

    @pytest.mark.skip()  # here
    def test_two():
        pytest.skip()  # here

    @pytest.mark.skip(reason="")  # here
    class TestMore:
        ...
    """,
    """
    from pytest import mark, skip

    pytestmark = mark.skip  # here

    def test_one():
        skip("")  # here

    marks = [mark.skipif(True)]  # here
    """,
)
GOOD: Final = (
    """
    import sys
    import unittest
    import pytest

    @pytest.mark.skip(reason="known")
    def test_one():
        pytest.skip("no server here")

    @pytest.mark.skip("known")
    def test_two(reason):
        pytest.skip(reason)
        pytest.skip(reason=f"no {reason}")

    @pytest.mark.skipif(sys.platform == "win32", reason="no fork")
    def test_three():
        ...

    @pytest.mark.skipif("sys.platform == 'win32'")
    def test_four():
        ...

    @unittest.skip("known")
    class TestMore(unittest.TestCase):
        ...
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each skip without a word."""
    called: set[int] = set()
    for call, name in module.calls():
        called.add(id(call.func))
        if name in {_SKIP, _CALL} and not _says(call, behind=0):
            yield Place(call, f"{name}() gives no reason")
        elif name == _SKIPIF and not _says(call, behind=1) and not _is_text(call.args[:1]):
            yield Place(call, f"{name}() gives no reason, which pytest refuses")
    for node in module.nodes:
        if not isinstance(node, ast.Attribute) or id(node) in called:
            continue
        if module.origin(node) == _SKIP:
            yield Place(node, f"{_SKIP} gives no reason")


def _says(call: ast.Call, *, behind: int) -> bool:
    """Return whether a reason is given: by name, or at that place; one that is not empty."""
    given = [word.value for word in call.keywords if word.arg in {"reason", None}]
    given += call.args[behind:]
    return any(not (isinstance(one, ast.Constant) and not one.value) for one in given)


def _is_text(arguments: list[ast.expr]) -> bool:
    """Return whether the condition is a text, which pytest shows as the reason."""
    return any(isinstance(one, ast.Constant) and isinstance(one.value, str) for one in arguments)
