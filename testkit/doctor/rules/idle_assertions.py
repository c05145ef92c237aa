"""TD611: what looks like an assertion, and cannot fail."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.functions import tests_and_fixtures
from testkit.doctor.static.module import Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD611",
    "An assertion cannot fail",
    "error",
    "A comparison without `assert` is worked out and thrown away; a pair in brackets is true whatever stands in it; a method of a mock that is named and not called, or that no "
    "mock has, checks nothing. The test is green, and stays so when the code is wrong.",
    "Write `assert` before the comparison, the message behind a comma without brackets, and call the mock's method: mock.assert_called_once_with(…).",
)
_OF_MOCKS: Final = re.compile(r"^(?:assert_(?:called|any_call|has_calls|not_called|awaited)\w*)$")
_NO_METHODS: Final = frozenset(
    (
        "called_once",
        "called_once_with",
        "called_with",
        "has_calls",
        "not_called",
        "called_with_once",
    )
)
BAD: Final = (
    """
    def test_it(mock, client):
        client.get("/").status_code == 200  # here
        assert (client.total == 3, "three of them")  # here
        mock.send.assert_called_once  # here
        assert mock.send.called_once_with(1)  # here
        assert "something is there"  # here
        if client:
            len(client) > 3  # here
    """,
)
GOOD: Final = (
    """
    import pytest

    def test_it(mock, client):
        assert client.get("/").status_code == 200
        assert client.total == 3, "three of them"
        assert (client.total == 3), "three of them"
        mock.send.assert_called_once()
        assert mock.called
        assert mock.send.has_calls
        with pytest.raises(TypeError):
            client < 3
        "a" in client.lazy
        assert ()
        assert True

    def helper(a):
        a == 3
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each statement of a test that seems to check something and does not."""
    if not module.is_test:
        return
    for function in tests_and_fixtures(module):
        if function.name.startswith("test"):
            for node in sorted(inside(function), key=lambda each: getattr(each, "lineno", 0)):
                if isinstance(node, ast.stmt) and (reason := _reason(node)):
                    within = (above for above in module.above(node) if above is not function)
                    if not any(isinstance(each, ast.With | ast.AsyncWith) for each in within):
                        yield Place(node, reason)


def _reason(node: ast.stmt) -> str:
    match node:
        # `x in y` may be there for what y does when it is asked.
        case ast.Expr(value=ast.Compare(ops=ops)) if not any(
            isinstance(each, ast.In | ast.NotIn) for each in ops
        ):
            return "the comparison is thrown away"
        case ast.Expr(value=ast.Attribute(attr=name)) if _OF_MOCKS.match(name):
            return f"{name} is named and not called"
        case ast.Assert(test=ast.Tuple(elts=[_, *_])):
            return "a pair in brackets is always true"
        case ast.Assert(test=ast.Constant(value=str(text))) if text:
            return "a text is always true"
        case ast.Assert(test=ast.Call(func=ast.Attribute(attr=name))) if name in _NO_METHODS:
            return f"{name} is no assertion of a mock, which answers with another mock"
    return ""
