"""Clients that belong to the event loop that used them first, made when a file is imported."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, TypedDict

if TYPE_CHECKING:
    from testkit.doctor.static.module import Module

__all__ = ["Client", "Clients", "clients_of"]

_ENGINE: Final = "sqlalchemy.ext.asyncio.create_async_engine"
_REDIS: Final = frozenset(
    f"redis.asyncio.{name}"
    for name in ("Redis", "Redis.from_url", "StrictRedis", "StrictRedis.from_url", "from_url")
)
# Connections of aiosqlite and psycopg can be used in another loop.
_BOUND: Final = "postgresql+asyncpg:"
_WIDE: Final = frozenset(("class", "module", "package", "session"))


class Client(TypedDict):
    """Where it is made; ``made`` is the text of what is called."""

    line: int
    column: int
    made: str


class Clients(TypedDict):
    """Those of a file; ``one_loop`` says that it has tests share a loop."""

    one_loop: bool
    clients: list[Client]


def clients_of(module: Module) -> Clients | None:
    """Return what a test file says of this; None where it says nothing."""
    if not module.is_test:
        return None
    one_loop = any(map(_widens, module.nodes))
    clients = [
        Client(line=call.lineno, column=call.col_offset + 1, made=ast.unparse(call.func))
        for node in module.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(call := node.value, ast.Call)
        and _belongs_to_a_loop(module, call)
    ]
    return Clients(one_loop=one_loop, clients=clients) if one_loop or clients else None


def _widens(node: ast.AST) -> bool:
    """Return whether it gives several tests one loop: pytest-asyncio's scopes, anyio's backend."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name in {"anyio_backend", "event_loop", "event_loop_policy"}
    return (
        isinstance(node, ast.keyword)
        and node.arg == "loop_scope"
        and isinstance(node.value, ast.Constant)
        and node.value.value in _WIDE
    )


def _belongs_to_a_loop(module: Module, call: ast.Call) -> bool:
    name = module.origin(call.func)
    if name in _REDIS:
        return not any(word.arg == "connection_pool" for word in call.keywords)
    if name != _ENGINE or any(_is_null_pool(module, word) for word in call.keywords):
        return False
    texts = [text for each in call.args[:1] for text in _texts(module, each)]
    return any(text.startswith(_BOUND) for text in texts) and not any(
        text.startswith("sqlite") for text in texts
    )


def _is_null_pool(module: Module, word: ast.keyword) -> bool:
    return word.arg is None or (
        word.arg == "poolclass" and module.origin(word.value).endswith("NullPool")
    )


def _texts(module: Module, node: ast.expr) -> list[str]:
    """Return the texts of an expression, and of what its names stand for in this file."""
    names = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    given = [
        each.value
        for each in module.tree.body
        if isinstance(each, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id in names for target in each.targets)
    ]
    return [
        each.value
        for one in (node, *given)
        for each in ast.walk(one)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    ]
