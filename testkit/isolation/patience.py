"""How long testkit waits for what a test left in use, before it ends that."""

from __future__ import annotations

from typing import Final

__all__ = ["PATIENCE", "SHORT_PATIENCE"]

#: Seconds that transactions, checkouts and clients of Redis get to end by themselves; as many get
#: transactions in which something goes on, which are left alone after it.
PATIENCE: Final = 0.2
#: Seconds that those get which a failed test had no chance to close.
SHORT_PATIENCE: Final = 0.1
