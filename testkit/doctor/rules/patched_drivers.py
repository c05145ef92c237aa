"""TD603: a test that replaces how the database or Redis is reached."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD603",
    "A test replaces the driver's own connect",
    "warning",
    "What is patched is where the library happens to look its function up today. The test says nothing of a real connection: how it is refused, when it times out, what a "
    "broken one raises; and after an update of the driver it patches what nobody calls.",
    "Connect to a real server, and break it where that is the subject: the fixture faults refuses, resets and silences real connections.",
)
_ENTRIES: Final = frozenset(
    (
        *("create_engine", "create_async_engine", "sessionmaker", "async_sessionmaker"),
        *("psycopg.connect", "psycopg2.connect", "asyncpg.connect", "asyncpg.create_pool"),
        *("redis.Redis", "redis.from_url", "redis.asyncio.Redis", "redis.asyncio.from_url"),
    )
)
BAD: Final = (
    """
    from unittest import mock
    from unittest.mock import patch
    import psycopg

    @patch("app.db.create_engine")  # here
    def test_an_engine_is_made(create):
        create.assert_called_once()

    def test_a_connection(monkeypatch):
        monkeypatch.setattr(psycopg, "connect", lambda *a: None)
        monkeypatch.setattr("redis.asyncio.from_url", object)
        with mock.patch("asyncpg.connect"):
            pass
    """,
)
GOOD: Final = (
    """
    from unittest import mock
    from app import mail

    @mock.patch("app.mail.connect")
    def test_mail(connect):
        connect.assert_called_once()

    def test_settings(monkeypatch):
        monkeypatch.setattr(mail, "connect", lambda: None)
        monkeypatch.setattr("app.settings.redis_url", "redis://")
        with mock.patch("app.db.engine"):
            pass
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give the first patch of a file of what makes engines, connections or clients."""
    places = [
        (call, target)
        for call, name in module.calls()
        if name.rpartition(".")[2] in {"patch", "setattr"}
        and (target := _target(module, call.args))
    ]
    if places and module.is_test:
        call, target = min(places, key=lambda each: each[0].lineno)
        more = f", and so are {len(places) - 1} more in this file" if len(places) > 1 else ""
        yield Place(call, f"{target} is replaced{more}")


def _target(module: Module, given: list[ast.expr]) -> str:
    match given:
        case [ast.Constant(value=str(text)), *_]:
            told = text
        case [owner, ast.Constant(value=str(attribute)), *_]:
            told = f"{module.origin(owner)}.{attribute}"
        case _:
            return ""
    last = told.rpartition(".")[2]
    known = last in _ENTRIES or any(told == each or told.endswith(f".{each}") for each in _ENTRIES)
    return told if known else ""
