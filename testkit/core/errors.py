"""What stands behind an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["chain_of"]


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception, its cause and context, what SQLAlchemy wraps in it, what it groups."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        found = waiting.pop()
        # Anybody's exception may have an attribute `orig` of another kind.
        if isinstance(found, BaseException) and id(found) not in seen:
            seen.add(id(found))
            yield found
            waiting += [found.__cause__, found.__context__, getattr(found, "orig", None)]
            waiting += found.exceptions if isinstance(found, BaseExceptionGroup) else ()
