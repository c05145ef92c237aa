"""TD502: a test that never runs: another one has its name, or its class is not collected."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.functions import Function
from testkit.doctor.static.module import Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD502",
    "A test never runs",
    "error",
    "Of two tests with one name in a module or a class Python keeps the second; the first is gone before pytest looks. And of a class that has a constructor pytest "
    "collects nothing: it says so in a warning, and the run is green.",
    "Give each test a name of its own; put what a constructor does into a fixture or setup_method.",
)
BAD: Final = (
    """
    def test_a_price():  # here
        assert price() == 3

    def test_another():
        assert price()

    def test_a_price():
        assert price() == 4

    class TestPrices:  # here
        def __init__(self):
            self.price = 3

        def test_it(self):
            assert self.price

    class TestMore:
        def test_it(self):  # here
            assert 1

        async def test_it(self):
            assert 2
    """,
)
GOOD: Final = (
    """
    import sys
    from unittest import TestCase

    def test_a(): ...

    if sys.platform == "linux":
        def test_b(): ...
    else:
        def test_b(): ...

    class TestOne:
        def test_a(self): ...

    class TestTwo:
        def test_a(self): ...

    class TestThree(TestCase):
        def __init__(self, *args):
            super().__init__(*args)

        def test_it(self): ...

    class TestClient:
        def __init__(self): ...

        def get(self): ...

    class TestLeft:
        __test__ = False

        def __init__(self): ...

        def test_connection(self): ...

    def check(): ...
    def check(): ...
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each test that a later one replaces, and each class of tests with a constructor."""
    if not module.is_test:
        return
    yield from _replaced(module.tree.body)
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _replaced(node.body)
            if _is_left(node):
                yield Place(node, f"{node.name} has a constructor, so pytest collects none of it")


def _replaced(body: list[ast.stmt]) -> Iterator[Place]:
    last: dict[str, Function] = {}
    for node in body:
        if isinstance(node, Function) and node.name.startswith("test"):
            if node.name in last:
                reason = f"{node.name} stands in line {node.lineno} again, which replaces this one"
                yield Place(last[node.name], reason)
            last[node.name] = node


def _is_left(node: ast.ClassDef) -> bool:
    """Return whether a plain class has tests and a constructor."""
    names = {each.name for each in node.body if isinstance(each, Function)}
    assigned = {
        target.id
        for each in node.body
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    return (
        not node.bases
        and "__init__" in names
        and "__test__" not in assigned
        and any(name.startswith("test_") for name in names)
    )
