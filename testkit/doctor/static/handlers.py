"""``except`` around what goes to a database: what is caught, tried, and done about it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from testkit.doctor.static.module import inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from testkit.doctor.static.module import Module

__all__ = ["BROAD", "Handler", "handlers_of", "is_session", "session_calls"]

#: What catches faults of every kind; "" is an ``except:`` alone.
BROAD: Final = frozenset(("", "Exception", "BaseException"))
_FAULTS: Final = frozenset(("sqlalchemy.exc.SQLAlchemyError", "sqlalchemy.exc.DBAPIError"))
_SESSION: Final = re.compile(r"(?:^|_)(?:session|sess|db)$", re.IGNORECASE)
_LEAVES: Final = (ast.Raise, ast.Return, ast.Break, ast.Continue)


@dataclass(frozen=True)
class Handler:
    """One ``except`` of a ``try``; ``caught`` are the dotted names of what it takes."""

    node: ast.ExceptHandler
    tried: ast.Try
    caught: tuple[str, ...]

    @cached_property
    def inner(self) -> tuple[ast.AST, ...]:
        """The nodes that run when it does."""
        return tuple(inside(self.node))

    @property
    def is_broad(self) -> bool:
        """Whether it takes faults of every kind."""
        return not BROAD.isdisjoint(self.caught)

    @property
    def takes_database_errors(self) -> bool:
        """Whether it takes whatever SQLAlchemy raises of a database."""
        return not _FAULTS.isdisjoint(self.caught)

    @property
    def takes_broken_rules(self) -> bool:
        """Whether it takes SQLAlchemy's IntegrityError and nothing else."""
        return self.caught in {("sqlalchemy.exc.IntegrityError",), ("sqlmodel.IntegrityError",)}

    @property
    def looks(self) -> bool:
        """Whether it uses the error for more than being the cause of another."""
        causes = {
            node.cause
            for node in self.inner
            if isinstance(node, ast.Raise) and isinstance(node.cause, ast.Name)
        }
        return any(
            isinstance(node, ast.Name) and node.id == self.node.name and node not in causes
            for node in self.inner
        )

    @property
    def leaves(self) -> bool:
        """Whether nothing behind the ``try`` runs after it."""
        return isinstance(self.node.body[-1], _LEAVES)


def handlers_of(module: Module) -> Iterator[Handler]:
    """Give each ``except`` of the file."""
    for node in module.nodes:
        if isinstance(node, ast.Try):
            for each in node.handlers:
                types = each.type.elts if isinstance(each.type, ast.Tuple) else [each.type]
                yield Handler(each, node, tuple(map(module.origin, types)))


def session_calls(module: Module, nodes: Sequence[ast.AST]) -> list[tuple[str, str, ast.Call]]:
    """Return the calls on sessions that run when the statements do: session, method, call.

    A session is ``db.session``, and what a file that knows SQLAlchemy calls ``session`` or ``db``.
    """
    known = any(name.startswith(("sqlalchemy", "sqlmodel")) for name in module.origins.values())
    return [
        (ast.unparse(node.func.value), node.func.attr, node)
        for statement in nodes
        for node in (statement, *inside(statement))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and is_session(node.func.value)
        and (known or ast.unparse(node.func.value) == "db.session")
    ]


def is_session(node: ast.expr) -> bool:
    """Return whether an expression is named as sessions are."""
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return _SESSION.search(name) is not None
