"""What stands before a test: what was there at first, and on it what each wider fixture changed."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Layers"]

K = TypeVar("K")
V = TypeVar("V")


class Layers(Generic[K, V]):
    """``current`` is what a test begins with. Owners may end in any order."""

    def __init__(
        self, origin: Mapping[K, V], *, differs: Callable[[V, V], bool] = operator.ne
    ) -> None:
        self._origin = dict(origin)
        self._differs = differs
        self._layers: dict[int, dict[K, V | None]] = {}
        self.current = dict(origin)

    def claim(self, owner: int, now: dict[K, V]) -> None:
        """Give what differs from ``current`` to this owner, besides what it has: until ``end``."""
        layer: dict[K, V | None] = {
            name: value
            for name, value in now.items()
            if name not in self.current or self._differs(value, self.current[name])
        }
        layer |= dict.fromkeys(self.current.keys() - now.keys())
        if layer:
            self._layers[owner] = self._layers.get(owner, {}) | layer
        self.current = now

    def end(self, owner: int) -> bool:
        """Take what the owner changed away; answer whether there was anything."""
        if self._layers.pop(owner, None) is None:
            return False
        self.current = dict(self._origin)
        for layer in self._layers.values():
            for name, value in layer.items():
                if value is None:
                    self.current.pop(name, None)
                else:
                    self.current[name] = value
        return True
