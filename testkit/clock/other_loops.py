"""Event loops that the clock cannot move: uvloop's and trio's keep their time in C or elsewhere."""

from __future__ import annotations

import asyncio
import asyncio.base_events
import sys
from typing import TYPE_CHECKING, Any

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from testkit.clock.hands import Hands
    from testkit.clock.patches import Patches

__all__ = ["refuse_other_loops", "running_other_loop"]


def running_other_loop() -> str | None:
    """Return the library of a loop that runs in this thread and cannot be moved."""
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        return "trio"
    loop = asyncio._get_running_loop()
    if loop is None or isinstance(loop, asyncio.base_events.BaseEventLoop):
        return None
    return type(loop).__module__.partition(".")[0]


def refuse_other_loops(patches: Patches, hands: Hands) -> None:
    """Have uvloop and trio refuse to start while loop time stands."""

    def refuses(library: str) -> Any:
        def wrapper(original: Any) -> Any:
            def start(*arguments: Any, **named: Any) -> Any:
                if "loop" in hands.standing:
                    raise TestkitError("TK660", library=library)
                return original(*arguments, **named)

            return start

        return wrapper

    if (uvloop := sys.modules.get("uvloop")) is not None:
        patches.wrap(uvloop.Loop, "run_forever", refuses("uvloop"))
    if (trio := sys.modules.get("trio")) is not None:
        patches.wrap(trio, "run", refuses("trio"))
