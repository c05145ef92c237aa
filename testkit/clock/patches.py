"""Attributes of other people's classes and modules, wrapped for the time of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Patches"]

_MISSING: Final = object()


class Patches:
    """Remembers what stood there; ``undo`` puts all of it back, in reverse."""

    def __init__(self) -> None:
        self._originals: list[tuple[Any, str, object]] = []

    def wrap(self, owner: Any, name: str, wrapper: Callable[[Any], Any]) -> None:
        """Put what the wrapper makes of the attribute in its place."""
        self._originals.append((owner, name, vars(owner).get(name, _MISSING)))
        setattr(owner, name, wrapper(getattr(owner, name)))

    def undo(self) -> None:
        """Put everything back; without effect when it is."""
        while self._originals:
            owner, name, original = self._originals.pop()
            if original is _MISSING:
                delattr(owner, name)  # it was inherited
            else:
                setattr(owner, name, original)
