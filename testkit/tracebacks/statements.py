"""On which lines the statements of a module begin: what pytest looks up for each frame it draws.

Statements stand in statements only, so the expressions between them, which are nine of ten nodes,
are not visited.
"""

from __future__ import annotations

import ast
import warnings
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from testkit.core.uncollected import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["begins_of", "extent"]

_BODIES: Final = ("body", "orelse", "finalbody", "handlers", "cases")


def begins_of(text: str) -> list[int]:
    """Return the 0-based lines on which a statement begins, sorted, as pytest counts them.

    A decorator counts, and so does the line before the first statement of an ``else`` or
    ``finally``. Raises SyntaxError, or what else ``ast.parse`` raises.
    """
    # Of the module that was compiled before: what it warns of has been told.
    with uncollected(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return sorted(_begins(ast.parse(text, "source", "exec")))


def _begins(tree: ast.Module) -> Iterator[int]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.stmt, ast.ExceptHandler)):
            for decorator in getattr(node, "decorator_list", ()):
                yield decorator.lineno - 1
            yield node.lineno - 1
            for name in ("finalbody", "orelse"):
                if inner := getattr(node, name, None):
                    yield inner[0].lineno - 2
        for name in _BODIES:
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                waiting += inner


def extent(begins: Sequence[int], line: int) -> tuple[int, int | None] | None:
    """Return where the statement at ``line`` begins and where the next one does.

    None for a line before the first statement; None as the second where no statement follows.
    """
    index = bisect_right(begins, line)
    if index == 0:
        return None
    return begins[index - 1], begins[index] if index < len(begins) else None
