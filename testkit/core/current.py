"""What belongs to the running test, for code that no fixture reaches (factories, pools)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


__all__ = ["Periods", "RunningTest", "current"]


class Periods:
    """Tell one test from another, and from set-up and teardown of fixtures wider than a test.

    ``now`` is a number that stands for the one that runs.
    """

    def __init__(self) -> None:
        self.now = self._count = 0

    def turn(self) -> None:
        """Begin another one."""
        self._count += 1
        self.now = self._count

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """Give what runs inside one of its own; the one before goes on after it."""
        before = self.now
        self.turn()
        try:
            yield
        finally:
            self.now = before


class RunningTest:
    """Slots that the pytest plugin fills; None outside a test.

    ``session`` gives the test's ``db_session`` (the user's own fixture of that name, if there is
    one), set up on first use; ``request`` is the test's own, for fixtures of other names. ``made`` holds what factories created, until the test has ended: a
    session refers to its objects weakly, and the garbage collector must not decide whether a parent
    is still at hand. ``unique`` gives a name that nobody else draws, behind a prefix.
    """

    def __init__(self) -> None:
        self.session: Callable[[], Any] | None = None
        self.request: Any = None
        self.unique: Callable[[str], str] | None = None
        self.made: list[object] = []


current = RunningTest()
