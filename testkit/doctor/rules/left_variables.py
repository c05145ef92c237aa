"""TD631: a test changes an environment variable and leaves it so."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.functions import (
    Function,
    added_parameter,
    fixture_scope,
    is_unittest,
    tests_and_fixtures,
)
from testkit.doctor.static.module import Change, Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "FIXED", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD631",
    "A test changes an environment variable and leaves it so",
    "error",
    "The environment belongs to the process: every later test of this worker sees the value, and which tests these are changes with the order, with `-n` and with `-k`. "
    "They fail far from the line that did it.",
    "Set it with monkeypatch.setenv(name, value), which puts it back. In a wider fixture: yield within unittest.mock.patch.dict(os.environ, …).",
)
_TAKES: Final = frozenset(("update", "pop", "setdefault", "clear", "popitem"))
BAD: Final = (
    """
    import os
    import pytest
    from app import settings

    def test_production():
        os.environ["MODE"] = "production"  # here
        assert settings.mode() == "production"

    async def test_without(client):
        del os.environ["MODE"]  # here
        os.environ.pop("LEVEL", None)  # here
        assert settings.mode() == "development"

    @pytest.fixture
    def quiet():
        os.environ["LEVEL"] = "error"  # here
        return settings

    class TestMore:
        def test_it(self):
            os.environ["MODE"] = str(1)  # here
    """,
    """
    import os
    import pytest

    @pytest.fixture(scope="session")
    def production():
        os.environ["MODE"] = "production"  # here

    def test_many():
        os.environ.update(A="1", B="2")  # here
    """,
)
FIXED: Final = (
    """
    import os
    import pytest
    from app import settings

    def test_production(monkeypatch):
        monkeypatch.setenv("MODE", "production")  # here
        assert settings.mode() == "production"

    async def test_without(client, monkeypatch):
        monkeypatch.delenv("MODE")  # here
        monkeypatch.delenv("LEVEL", raising=False)  # here
        assert settings.mode() == "development"

    @pytest.fixture
    def quiet(monkeypatch):
        monkeypatch.setenv("LEVEL", "error")  # here
        return settings

    class TestMore:
        def test_it(self, monkeypatch):
            monkeypatch.setenv("MODE", str(1))  # here
    """,
    BAD[1],
)
GOOD: Final = (
    """
    import os
    import pytest
    from unittest import TestCase, mock

    os.environ.setdefault("APP_ENV", "test")
    os.environ["DATABASE_URL"] = "postgresql://"

    def test_restores():
        old = os.environ.get("MODE")
        os.environ["MODE"] = "production"
        try:
            assert True
        finally:
            os.environ["MODE"] = old

    def test_is_patched(monkeypatch):
        monkeypatch.setenv("MODE", "production")
        with mock.patch.dict(os.environ, {"MODE": "x"}):
            os.environ["MODE"] = "y"

    @mock.patch.dict(os.environ)
    def test_is_decorated():
        os.environ["MODE"] = "y"

    @pytest.fixture
    def production():
        os.environ["MODE"] = "production"
        yield
        del os.environ["MODE"]

    @pytest.fixture
    def ended(request):
        os.environ["MODE"] = "production"
        request.addfinalizer(lambda: os.environ.pop("MODE"))

    class TestOld(TestCase):
        def setUp(self):
            os.environ["MODE"] = "x"

        def tearDown(self):
            os.environ.pop("MODE")

    def configure(env):
        env["MODE"] = "x"

    def test_cleans_up():
        os.environ["MODE"] = "x"
        assert True
        del os.environ["MODE"]

    @pytest.mark.usefixtures("production")
    def test_is_cleaned_up_behind():
        os.environ["MODE"] = "y"

    class TestTornDown:
        def test_it(self):
            os.environ["MODE"] = "y"

        def teardown_method(self):
            os.environ.pop("MODE")

    def test_a_copy():
        environ = {**os.environ}
        environ["MODE"] = "x"
        os.environ.get("MODE")
    """,
    """
    import os
    import pytest

    @pytest.fixture(autouse=True)
    def environment():
        before = dict(os.environ)
        yield
        os.environ.clear()
        os.environ.update(before)

    def test_it():
        os.environ["MODE"] = "production"
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each change of ``os.environ`` in a test or fixture in which nothing puts it back."""
    if "environ" not in module.text or _restored_for_all(module):
        return
    functions = list(tests_and_fixtures(module))
    restoring = {each.name for each in functions if _restores(module, each)}
    for function in functions:
        if (
            is_unittest(module, function)
            or function.name in restoring
            or _asks_for(function, restoring)
            or _is_torn_down(module, function)
        ):
            continue
        for node in sorted(inside(function), key=lambda each: getattr(each, "lineno", 0)):
            if (
                isinstance(node, ast.stmt)
                and _changes(module, node)
                and not any(_patches(module, above) for above in module.above(node))
            ):
                yield _place(module, function, node)


def _asks_for(function: Function, names: set[str]) -> bool:
    """Return whether a function has one of these fixtures, as a parameter or by a mark."""
    asked = {each.arg for each in function.args.args}
    asked |= {
        text.value
        for decorator in function.decorator_list
        for text in ast.walk(decorator)
        if isinstance(text, ast.Constant) and isinstance(text.value, str)
    }
    return not asked.isdisjoint(names)


def _is_torn_down(module: Module, function: Function) -> bool:
    """Return whether the function's class has a method that puts the environment back."""
    above = module.parents.get(function)
    return isinstance(above, ast.ClassDef) and any(
        isinstance(each, Function)
        and not each.name.startswith("test")
        and "environ" in ast.unparse(each)
        for each in above.body
    )


def _is_environ(module: Module, node: ast.AST) -> bool:
    return module.origin(node) == "os.environ"


def _changes(module: Module, node: ast.stmt) -> str:
    """Return the kind of change that a statement makes, "" for none."""
    match node:
        case ast.Assign(targets=[ast.Subscript(value=target)]) if _is_environ(module, target):
            return "set"
        case ast.Delete(targets=[ast.Subscript(value=target)]) if _is_environ(module, target):
            return "delete"
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=target, attr=name))) if (
            name in _TAKES and _is_environ(module, target)
        ):
            return name
        case ast.Expr(value=ast.Call(func=function)):
            return "putenv" if module.origin(function) == "os.putenv" else ""
    return ""


def _patches(module: Module, node: ast.AST) -> bool:
    return isinstance(node, ast.With | ast.AsyncWith) and any(
        _patches_environ(module, item.context_expr) for item in node.items
    )


def _patches_environ(module: Module, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and (
        module.origin(node.func).endswith(("patch.dict", "context"))
        or "restor" in module.origin(node.func)
        or any("environ" in ast.unparse(each).lower() for each in (node.func, *node.args))
    )


def _restores(module: Module, function: Function) -> bool:
    """Return whether a function touches the environment behind a yield or whatever happens."""
    yielded = [node.lineno for node in inside(function) if isinstance(node, ast.Yield)]
    if any(_patches_environ(module, each) for each in function.decorator_list):
        return True
    if _takes_back(module, function):
        return True
    for node in ast.walk(function):
        if isinstance(node, ast.Try) and any(
            "environ" in ast.unparse(each) for each in node.finalbody
        ):
            return True
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"addfinalizer", "addCleanup", "callback", "enter_context"}
        ):
            return True
        if (
            isinstance(node, ast.Attribute)
            and yielded
            and node.lineno > yielded[0]
            and _is_environ(module, node)
        ):
            return True
    return False


def _takes_back(module: Module, function: Function) -> bool:
    """Return whether a variable is set and, further down, removed: the test means to clean up."""
    set_at: dict[str, int] = {}
    for node in sorted(inside(function), key=lambda each: getattr(each, "lineno", 0)):
        match node:
            case ast.Assign(targets=[ast.Subscript(value=target, slice=name)]) if _is_environ(
                module, target
            ):
                set_at.setdefault(ast.unparse(name), node.lineno)
            case ast.Delete(targets=[ast.Subscript(value=target, slice=name)]) if _is_environ(
                module, target
            ):
                if ast.unparse(name) in set_at:
                    return True
            case ast.Call(func=ast.Attribute(value=target, attr="pop"), args=[name, *_]) if (
                _is_environ(module, target)
            ):
                if ast.unparse(name) in set_at:
                    return True
    return False


def _restored_for_all(module: Module) -> bool:
    """Return whether an autouse fixture of the file puts the environment back."""
    return any(
        "autouse=True" in ast.unparse(decorator) and "environ" in ast.unparse(function)
        for function in tests_and_fixtures(module)
        for decorator in function.decorator_list
        if isinstance(decorator, ast.Call)
    )


def _place(module: Module, function: Function, node: ast.stmt) -> Place:
    kind = "fixture" if fixture_scope(module, function) else "test"
    reason = f"the {kind} {function.name} leaves the environment changed"
    parameter = added_parameter(module, function, "monkeypatch")
    text = _rewritten(module, node)
    wide = fixture_scope(module, function) not in {"", "function"}
    if parameter is None or wide or not text:
        return Place(node, reason)
    return Place(node, reason, (Change(node, text),), parameter)


def _rewritten(module: Module, node: ast.stmt) -> str:
    match node:
        case ast.Assign(targets=[ast.Subscript(slice=name)], value=value):
            return f"monkeypatch.setenv({module.segment(name)}, {module.segment(value)})"
        case ast.Delete(targets=[ast.Subscript(slice=name)]):
            return f"monkeypatch.delenv({module.segment(name)})"
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="pop"), args=[name])):
            return f"monkeypatch.delenv({module.segment(name)})"
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="pop"), args=[name, _])):
            return f"monkeypatch.delenv({module.segment(name)}, raising=False)"
    return ""
