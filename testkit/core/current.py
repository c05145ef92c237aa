"""What belongs to the running test, for code that no fixture reaches (factories)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RunningTest", "current"]


class RunningTest:
    """Slots that the pytest plugin fills; None outside a test.

    ``session`` gives the test's ``db_session`` (the user's own fixture of that name, if there is
    one), set up on first use. ``made`` holds what factories created, until the test has ended: a
    session refers to its objects weakly, and the garbage collector must not decide whether a parent
    is still at hand. ``unique`` gives a name that nobody else draws, behind a prefix.
    """

    def __init__(self) -> None:
        self.session: Callable[[], Any] | None = None
        self.unique: Callable[[str], str] | None = None
        self.made: list[object] = []


current = RunningTest()
