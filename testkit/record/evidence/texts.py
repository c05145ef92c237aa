"""Texts as evidence tells them: cut first, so that masking takes a bounded time, then masked."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from testkit.core.runs.masking import MASK, is_secret_name, without_secrets

if TYPE_CHECKING:
    from testkit.core.runs.failure import Json

__all__ = ["Budget", "told", "told_value"]

# More than what is told is masked, or a secret would lose the end by which it is known.
_BEYOND: Final = 400
# One word of that length is data; masks look at words and would take its length squared.
_LONG_WORD: Final = re.compile(r"[\w.+/=-]{200,}")
_STRANGE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def told(text: str, most: int = 1_000) -> str:
    """Return a text without secrets, control characters and what is beyond ``most``."""
    was = len(text)
    text = _LONG_WORD.sub(_shortened, text[: most + _BEYOND])
    masked = without_secrets(_STRANGE.sub("�", text))
    return masked if was <= most and len(masked) <= most else masked[:most] + "…"


def _shortened(found: re.Match[str]) -> str:
    masked = without_secrets(found[0][:190])
    return masked if MASK in masked else masked[:60] + "…"


def told_value(name: str, value: str, most: int = 200) -> str:
    """Return a value that stands under a name; the mask where the name is that of a secret."""
    if is_secret_name(name) and value not in {"None", "True", "False"}:
        return MASK
    return told(value, most)


class Budget:
    """What one failure may cost: characters that are told, and seconds of looking."""

    __slots__ = ("_seconds", "_until", "characters")

    def __init__(self, characters: int, seconds: float) -> None:
        self.characters = characters
        self._seconds = seconds
        self._until = _now() + seconds

    def restart(self) -> None:
        """Begin to count the seconds anew."""
        self._until = _now() + self._seconds

    @property
    def spent(self) -> bool:
        """Whether no more is to be looked at."""
        return self.characters <= 0 or _now() > self._until

    def takes(self, facts: Json) -> bool:
        """Subtract the size of these facts; False where they are more than what is left."""
        size = _size(facts)
        if size > self.characters:
            return False
        self.characters -= size
        return True


# Taken now: the clock of a test may move the module's.
_now: Final = time.perf_counter


def _size(facts: Json) -> int:
    if isinstance(facts, str):
        return len(facts) + 2
    if isinstance(facts, dict):
        return sum(len(key) + 4 + _size(value) for key, value in facts.items())
    if isinstance(facts, list):
        return sum(map(_size, facts)) + 2
    return 8
