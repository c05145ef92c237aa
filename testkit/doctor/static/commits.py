"""What a project has run at a commit, and tests whose session never commits."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final, TypedDict

from testkit.doctor.static.handlers import is_session

if TYPE_CHECKING:
    from testkit.doctor.static.module import Module

__all__ = ["Commits", "Hook", "Kept", "commits_of"]

_LISTENS: Final = frozenset(("sqlalchemy.event.listen", "sqlalchemy.event.listens_for"))
_OF_SESSIONS: Final = frozenset(("after_commit", "before_commit"))
_OF_ENGINES: Final = "commit"
#: Where the outer transaction is the test's, the connection's own commit never comes.
_JOINED: Final = frozenset(("create_savepoint", "rollback_only"))


class Hook(TypedDict):
    """A listener: the event's name, and its line."""

    event: str
    line: int


class Kept(TypedDict):
    """Where a test's session is kept from committing, and the events that never come then."""

    line: int
    column: int
    how: str
    never: list[str]


class Commits(TypedDict):
    """What a file says of this: a test file of ``kept``, another one of ``hooks``."""

    hooks: list[Hook]
    kept: list[Kept]


def commits_of(module: Module) -> Commits | None:
    """Return what a file says of commits; None where it says nothing."""
    hooks = [] if module.is_test else _hooks(module)
    kept = _kept(module) if module.is_test else []
    return Commits(hooks=hooks, kept=kept) if hooks or kept else None


def _hooks(module: Module) -> list[Hook]:
    return [
        Hook(event=str(event.value), line=call.lineno)
        for call, name in module.calls()
        if name in _LISTENS and len(call.args) > 1
        if isinstance(event := call.args[1], ast.Constant)
        and event.value in {*_OF_SESSIONS, _OF_ENGINES}
    ]


def _kept(module: Module) -> list[Kept]:
    found: list[Kept] = []
    every = sorted({*_OF_SESSIONS, _OF_ENGINES})
    for node in module.nodes:
        if isinstance(node, ast.Assign) and any(map(_is_commit, node.targets)):
            if isinstance(node.value, ast.Attribute) and node.value.attr == "flush":
                found.append(_kept_at(node, "commit() only flushes here", every))
        elif isinstance(node, ast.Call):
            if _sets_commit(node):
                found.append(_kept_at(node, "commit() only flushes here", every))
            how = "The connection never commits under this session"
            found += [
                _kept_at(word.value, how, [_OF_ENGINES])
                for word in node.keywords
                if word.arg == "join_transaction_mode"
                and isinstance(word.value, ast.Constant)
                and word.value.value in _JOINED
            ]
    return found


def _kept_at(node: ast.stmt | ast.expr, how: str, never: list[str]) -> Kept:
    return Kept(line=node.lineno, column=node.col_offset + 1, how=how, never=never)


def _is_commit(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "commit" and is_session(node.value)


def _sets_commit(call: ast.Call) -> bool:
    """Return whether it is ``monkeypatch.setattr(session, "commit", session.flush)``."""
    match call:
        case ast.Call(
            func=ast.Attribute(attr="setattr") | ast.Name(id="setattr"),
            args=[target, ast.Constant(value="commit"), ast.Attribute(attr="flush")],
        ):
            return is_session(target)
    return False
