"""What belongs to the running test, for code that no fixture reaches (factories, pools)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.core.draws import Draws

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
    """Slots that the pytest plugin fills; None outside a test, or outside a run.

    ``session`` gives the test's ``db_session`` (the user's own fixture of that name, if there is
    one), set up on first use; ``request`` is the test's, for fixtures of other names. ``made``
    holds what factories created, until the test has ended: a session refers to its objects weakly,
    and the garbage collector must not decide whether a parent is still at hand. ``chances`` are the
    generators of values that need not be unique.

    ``doing`` names for people what runs: a node id, or a fixture wider than a test with its place;
    it is empty elsewhere. ``owner`` is another object for each of them, also for a rerun.
    ``unique`` gives a name that nobody else draws, behind a prefix; ``seed`` and ``uuid_version``
    are those of the run. ``profile`` is told what factories do, where the run asks for that.
    """

    def __init__(self) -> None:
        self.session: Callable[[], Any] | None = None
        self.request: Any = None
        self.made: list[object] = []
        self.chances: dict[str, Any] = {}
        self.doing = ""
        self.owner = object()
        self.unique: Callable[[str], str] | None = None
        self.seed: int | None = None
        self.uuid_version = 4
        self.profile: Any = None
        self._begun = False
        self._draws: Draws | None = None
        self._make_draws: Callable[[], Draws] | None = None

    @property
    def draws(self) -> Draws | None:
        """What this process draws from, made at the first use: most runs draw nothing."""
        if self._draws is None and self._make_draws is not None:
            self._draws = self._make_draws()
        return self._draws

    @draws.setter
    def draws(self, draws: Draws | None) -> None:
        self._draws, self._make_draws = draws, None

    def begin_run(
        self, make_draws: Callable[[], Draws], *, seed: int, uuid_version: int
    ) -> dict[str, Any]:
        """Fill the slots of a run; answer what ``end_run`` puts back: runs may be nested."""
        before = dict(self.__dict__)
        self._draws, self._make_draws, self.profile = None, make_draws, None
        self.unique = lambda prefix: make_draws().name(prefix)
        self.seed, self.uuid_version = seed, uuid_version
        return before

    def end_run(self, before: dict[str, Any]) -> None:
        """Put back what was there before the run."""
        self.__dict__.update(before)

    def begin_test(self, nodeid: str) -> None:
        """Begin a test; what living fixtures drew, and what the import of the tests did, stays."""
        if self._begun:
            self.end(self.owner)
        self._begun = True
        self.doing, self.owner, self.chances = nodeid, object(), {}

    def end_test(self) -> None:
        """Forget the test."""
        self.session = self.request = None
        self.made.clear()
        self.end(self.owner)
        self.doing, self.owner, self.chances = "", object(), {}

    @contextlib.contextmanager
    def apart(self, owner: object, doing: str) -> Iterator[None]:
        """Set up something wider than a test: the test's session is not its own."""
        before = self.session, self.request, self.doing, self.owner, self.chances
        self.session, self.request, self.doing, self.owner = None, None, doing, owner
        self.chances = {}
        try:
            yield
        finally:
            self.session, self.request, self.doing, self.owner, self.chances = before

    def end(self, owner: object) -> None:
        """Let what a test or fixture drew be drawn again, where that comes round."""
        if self._draws is not None:
            self._draws.release(owner)


current = RunningTest()
