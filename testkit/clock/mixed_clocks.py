"""Instants of the test's clock that are sent to a server, which will compare them with its own.

Only what is certain is told: an absolute expiry for Redis that lies nearer to the moved wall time
than to the real one.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from testkit.clock.hands import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.clock.hands import Hands
    from testkit.clock.patches import Patches

__all__ = ["MixedClocks", "absolute_expiry"]

# Where redis-py puts commands into bytes: module, class, method.
_PACKERS: Final = (
    ("redis.connection", "PythonRespSerializer", "pack"),
    ("redis.connection", "HiredisRespSerializer", "pack"),
    ("redis.asyncio.connection", "AbstractConnection", "pack_command"),
)
_COMMANDS: Final = {"EXPIREAT": SECOND, "PEXPIREAT": SECOND // 1000}
_OPTIONS: Final = {"EXAT": SECOND, "PXAT": SECOND // 1000}
_OPTIONS_FROM: Final = {"SET": 3, "GETEX": 2}


def absolute_expiry(command: Sequence[Any]) -> int | None:
    """Return the instant that this command of Redis names, in nanoseconds since 1970."""
    name = _word(command[0])
    if name in _COMMANDS and len(command) > 2:  # noqa: PLR2004 - name, key, instant
        return _instant(command[2], _COMMANDS[name])
    options = command[_OPTIONS_FROM[name] :] if name in _OPTIONS_FROM else ()
    for option, value in pairwise(options):
        if _word(option) in _OPTIONS:
            return _instant(value, _OPTIONS[_word(option)])
    return None


class MixedClocks:
    """Remembers what of the test's clock was sent to Redis; ``seen`` has a text for each."""

    def __init__(self, hands: Hands) -> None:
        self.seen: list[str] = []
        self._hands = hands

    def install(self, patches: Patches) -> None:
        """Look at the commands of redis-py, where it is loaded."""
        for module, kind, method in _PACKERS:
            owner = getattr(sys.modules.get(module), kind, None)
            if owner is not None:
                patches.wrap(owner, method, self._looks)

    def _looks(self, original: Any) -> Any:
        def pack(packer: Any, *command: Any) -> Any:
            offset = self._hands.wall_offset_ns()
            if abs(offset) > SECOND and (instant := absolute_expiry(command)) is not None:
                real = self._hands.real_wall_ns()
                if abs(instant - real - offset) < abs(instant - real):
                    self.seen.append(f"{_word(command[0])} {_text(command[1])}")
            return original(packer, *command)

        return pack


def _instant(value: Any, unit: int) -> int | None:
    try:
        return int(value) * unit
    except (TypeError, ValueError):  # Redis will refuse it
        return None


def _word(value: Any) -> str:
    return _text(value).upper()


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
