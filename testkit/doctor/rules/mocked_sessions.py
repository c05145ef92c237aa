"""TD602: a mock where a session or a connection belongs."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.functions import fixture_scope, tests_and_fixtures
from testkit.doctor.static.module import Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD602",
    "A mock stands where a session belongs",
    "warning",
    "A MagicMock takes every call and answers with another mock, which is true, is awaited, has every attribute. A query that is wrong, a commit that is missing, a row that "
    "violates a constraint: the test is green. It says how the code is written, and breaks when it is written in another way.",
    "Give the test a real session, testkit's db_session or async_db_session, and assert on the rows.",
)
_MOCKS: Final = frozenset(("Mock", "MagicMock", "AsyncMock", "NonCallableMock", "create_autospec"))
_NAMED: Final = re.compile(
    r"^(?:mock_|fake_|async_|db_)*(?:session|db|database|conn|connection|cursor)(?:_mock)?$"
)
_USED: Final = frozenset(
    (
        *("execute", "commit", "rollback", "flush", "scalars", "scalar", "query", "refresh"),
        *("add_all", "scalar_one_or_none", "fetchone", "fetchall", "fetchrow"),
    )
)
_SPECS: Final = frozenset(("Session", "AsyncSession", "Connection", "AsyncConnection", "Engine"))
BAD: Final = (
    """
    import pytest
    from unittest.mock import AsyncMock, MagicMock, Mock
    from sqlalchemy.orm import Session

    def test_a_name_is_stored():
        session = MagicMock()  # here
        store(session, "a")
        session.commit.assert_called_once()

    @pytest.fixture
    def mock_db():
        db = AsyncMock(spec=Session)
        return db

    async def test_they_are_read():
        conn = AsyncMock()
        conn.fetchrow.return_value = {"id": 1}
    """,
    """
    from unittest.mock import create_autospec
    from sqlalchemy.ext.asyncio import AsyncSession

    def test_it():
        async_session = create_autospec(AsyncSession)  # here
        read(async_session)
    """,
)
GOOD: Final = (
    """
    from unittest.mock import MagicMock

    def test_http():
        session = MagicMock()
        session.get.return_value = Answer()

    def test_real(db_session):
        session = db_session
        session.commit()
        sender = MagicMock()
        sender.commit()

    def test_a_broken_one(db_session):
        db_session.flush = MagicMock(side_effect=OSError)
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give the first mock of a file with a session's name and use, or made to its form."""
    places = list(_mocks(module)) if module.is_test and "mock" in module.text.lower() else []
    if places:
        node, name = places[0]
        more = f", and {len(places) - 1} more in this file" if len(places) > 1 else ""
        yield Place(node, f"{name} is a mock{more}")


def _mocks(module: Module) -> Iterator[tuple[ast.Assign, str]]:
    for function in sorted(tests_and_fixtures(module), key=lambda each: each.lineno):
        for node in inside(function):
            match node:
                case ast.Assign(
                    targets=[ast.Name(id=name)], value=ast.Call(func=called) as call
                ) if module.origin(called).rpartition(".")[2] in _MOCKS and _NAMED.match(name):
                    whole = module.tree if fixture_scope(module, function) else function
                    if _specified(module, call) or _is_used(whole, name):
                        yield node, name


def _specified(module: Module, call: ast.Call) -> bool:
    given = [
        *call.args,
        *(word.value for word in call.keywords if word.arg in {"spec", "spec_set"}),
    ]
    return any(
        module.origin(each).rpartition(".")[2] in _SPECS
        and not module.origin(each).startswith(("requests", "httpx", "aiohttp"))
        for each in given
    )


def _is_used(node: ast.AST, name: str) -> bool:
    """Return whether a method that only databases have is asked of the name."""
    return any(
        isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and each.value.id == name
        and each.attr in _USED
        for each in ast.walk(node)
    )
