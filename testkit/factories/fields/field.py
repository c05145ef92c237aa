"""One column as the makers of values see it, and what they draw from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from sqlalchemy.dialects.postgresql.base import PGDialect

from testkit.factories.fields.bounds import UNBOUND, Bounds

if TYPE_CHECKING:
    from random import Random

    from sqlalchemy.types import TypeEngine

__all__ = ["DIALECT", "Draws", "Field", "Plain", "Source", "Unique"]


class Draws(Protocol):
    """Values that nobody else draws; ``testkit.core.draws`` has the one that tests use."""

    def text(self, prefix: str, *, length: int | None = None, space: str = "text") -> str:
        """Return a text of a-z, 0-9 and "-", at most ``length`` characters long."""
        ...

    def number(self, space: str, size: int) -> int:
        """Return 0 <= n < size that the space has not given yet; raise when it has given all."""
        ...


DIALECT: Final = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy carries no type here
"""Postgres without a driver: what variants and decorators are asked about."""
Source = TypeVar("Source", "Random", Draws)
"""What a maker of values draws from."""
Plain = Callable[["Random"], object]
Unique = Callable[[Draws], object]


@dataclass(frozen=True, slots=True)
class Field:
    """A column: its type, what its values must hold to, its name.

    ``space`` and ``prefix`` are for unique values: where they must not come twice, and what a text
    begins with.
    """

    type: TypeEngine[Any]
    bounds: Bounds = UNBOUND
    name: str = ""
    space: str = ""
    prefix: str = ""
