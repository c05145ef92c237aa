"""What the kinds of evidence look at: one failure, as it is at this moment."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from testkit.record.evidence.chain import without_runner
from testkit.record.evidence.exceptions import tracebacks_of
from testkit.record.evidence.safely import mro, type_name

if TYPE_CHECKING:
    from types import FrameType

    from testkit.core.runs.failure import Phase, Raised
    from testkit.record.evidence.chain import Linked
    from testkit.record.evidence.places import Places, Tracebacks
    from testkit.record.evidence.texts import Budget
    from testkit.record.evidence.watching import Watched

__all__ = ["Scene", "locals_of"]


def _type_of_locals() -> type:
    return type(sys._getframe().f_locals)  # noqa: SLF001 - as locals_of reads them


# In some bodies of classes these are somebody's own mapping.
_PROXY: Final[type] = _type_of_locals()


@dataclass(slots=True)
class Scene:
    """One failed phase: ``errors`` are the exceptions of ``chain`` as objects.

    ``own`` are the places in the project and its tests where the first exception passed that
    passed any, outermost first, ``watched`` what was noted while the test ran,
    ``config`` and ``report`` pytest's.
    """

    nodeid: str
    phase: Phase
    errors: list[Linked]
    chain: tuple[Raised, ...]
    places: Places
    budget: Budget
    watched: Watched
    config: Any = None
    report: Any = None
    own: Tracebacks = field(default_factory=list)

    def __post_init__(self) -> None:
        # A group passed nowhere itself; a collector's error is pytest's own.
        for error, _ in self.errors:
            passed = without_runner(tracebacks_of(error), self.places)
            self.own = self.places.own(passed)
            if self.own:
                break

    @property
    def raised(self) -> BaseException:
        """What pytest saw."""
        return self.errors[0][0]

    def first_of(self, *names: str) -> BaseException | None:
        """Return the first exception of the chain that has a class of one of these names."""
        for error, _ in self.errors:
            if any(type_name(cls) in names for cls in mro(type(error))):
                return error
        return None


def locals_of(frame: FrameType) -> dict[str, Any]:
    """Return the local variables of a function, none where they are no plain dictionary."""
    held = frame.f_locals
    if type(held) is not dict and type(held) is not _PROXY:
        return {}
    return {name: value for name, value in list(held.items()) if type(name) is str}
