"""The chance behind values that need not be unique: the same for the same test and seed."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING, Any, Final

import factory.random
import faker.generator

from testkit.core.current import current

if TYPE_CHECKING:
    from random import Random

__all__ = ["begin_chance", "random_for"]

_STATE: Final = "factory-boy's own"


class _Chances:
    """One generator for each model in each test; neither order nor worker of the tests counts.

    They lie with what is running (``current.chances``): a fixture that is set up in the middle of a
    test has its own, and behind it the test goes on with those that it had.
    """

    def __init__(self) -> None:
        self._last: dict[str, Any] | None = None

    def begin(self) -> dict[str, Any]:
        """Let factory-boy's Faker and fuzzy declarations draw for what is running, too."""
        chances = current.chances
        if chances is not self._last and current.seed is not None:
            # Two of them, which its own functions would set to the state of the first.
            generators = factory.random.randgen, faker.generator.random
            if self._last is not None:
                self._last[_STATE] = [each.getstate() for each in generators]
            if _STATE in chances:
                for each, state in zip(generators, chances[_STATE], strict=True):
                    each.setstate(state)
            else:
                factory.random.reseed_random(_number(_STATE))
            self._last = chances
        return chances

    def of(self, model: str) -> Random:
        chances = self.begin()
        found: Random | None = chances.get(model)
        if found is None:
            found = chances[model] = random.Random(_number(model))  # noqa: S311 - test data
        return found


def _number(model: str) -> int:
    if current.seed is None:
        return random.getrandbits(64)
    text = f"{current.seed}\0{current.doing}\0{model}"
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8])


_chances = _Chances()


def begin_chance() -> None:
    """Give factory-boy's own generator the running test's chance, where it has another's."""
    _chances.begin()


def random_for(model: str) -> Random:
    """Return the running test's generator for a model."""
    return _chances.of(model)
