"""Time under a test's control: wall, monotonic and event-loop time, stopped and moved.

Imports of testkit go to ``core`` only; wall time is time-machine's.
"""

from __future__ import annotations

from testkit.clock.clock import Clock, Frozen
from testkit.clock.hands import HANDS, HandName

__all__ = ["HANDS", "Clock", "Frozen", "HandName"]
