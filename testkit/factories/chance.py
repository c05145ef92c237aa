"""The chance behind values that need not be unique: the same for the same test and seed."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import factory.random

from testkit.core.current import current

if TYPE_CHECKING:
    from random import Random

__all__ = ["random_for"]


class _Chances:
    """One generator for each model in each test; neither order nor worker of the tests counts."""

    def __init__(self) -> None:
        self._doing: tuple[object, str] | None = None
        self._seed: int | None = None
        self._known: dict[str, Random] = {}

    def of(self, model: str) -> Random:
        # A rerun has the same name as the test, and begins anew.
        doing = current.owner, current.doing
        if self._doing != doing or self._seed != current.seed:
            self._doing, self._seed = doing, current.seed
            self._known = {}
            if self._seed is not None:  # factory-boy's own Faker and fuzzy declarations
                factory.random.reseed_random(self._number("factory"))  # type: ignore[no-untyped-call]
        found = self._known.get(model)
        if found is None:
            found = self._known[model] = random.Random(self._number(model))  # noqa: S311 - test data
        return found

    def _number(self, model: str) -> int:
        if self._seed is None:
            return random.getrandbits(64)
        text = f"{self._seed}\0{current.doing}\0{model}"
        return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8])


_chances = _Chances()


def random_for(model: str) -> Random:
    """Return the running test's generator for a model."""
    return _chances.of(model)
