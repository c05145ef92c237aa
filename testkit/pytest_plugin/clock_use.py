"""What a test did with its clock, and what is to be said of that at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from testkit.clock import Clock

__all__ = ["MixedClocksWarning", "tell_of_clock"]


class MixedClocksWarning(pytest.PytestWarning):
    """A test sent instants of its moved clock to a server that has one of its own."""


def tell_of_clock(item: pytest.Item, clock: Clock, *, failed: bool) -> None:
    """Fail the test for hands that nobody read, warn of mixed clocks; a failed one said enough."""
    if failed:
        return
    if (unread := clock.unread(item.nodeid)) is not None:
        pytest.fail(str(unread), pytrace=False)
    if (mixed := clock.mixed(item.nodeid)) is not None:
        item.warn(MixedClocksWarning(str(mixed)))
