"""What became of each test from one run to another: decided from outcomes and causes alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

__all__ = ["Absence", "Difference", "Move", "Side", "Was", "difference"]

Was = Literal["failed", "passed"]
Now = Literal["skipped", "xfailed", "deselected", "left out", "gone"]
_FAILED: Final = frozenset(("failed", "error"))
_PASSED: Final = frozenset(("passed", "xpassed"))
_NOTHING: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two runs.

    ``outcomes`` is the last outcome of each node id; ``causes`` and ``signatures`` those of its
    failures. ``selected`` and ``deselected`` are empty where the source does not tell.
    ``whole`` is False where tests that were selected may not have run, or were not read.
    """

    outcomes: Mapping[str, str]
    causes: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    signatures: Mapping[str, AbstractSet[str]] = field(default_factory=dict)
    selected: AbstractSet[str] = _NOTHING
    deselected: AbstractSet[str] = _NOTHING
    reasons: Mapping[str, str] = field(default_factory=dict)
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Move:
    """A test that failed in both runs, for another cause each time (ids, sorted)."""

    nodeid: str
    old: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Absence:
    """A test that had an outcome in OLD and has none in NEW, although NEW ran to its end.

    ``now`` is ``skipped``, ``xfailed`` (it is expected to fail now), ``deselected``, ``left out``
    (its function still stands in the project, this run did not collect it) or ``gone``.
    """

    nodeid: str
    was: Was
    now: Now
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """Every test of either run that failed in one, or is absent from NEW; in the runs' order."""

    fixed: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    still: tuple[str, ...] = ()
    moved: tuple[Move, ...] = ()
    vanished: tuple[Absence, ...] = ()
    not_run: tuple[str, ...] = ()
    #: Of ``new`` those that OLD, which ended early, had not come to.
    unseen: tuple[str, ...] = ()

    @property
    def silenced(self) -> tuple[Absence, ...]:
        """Those that failed and are absent: what looks like a repair and is none."""
        return tuple(one for one in self.vanished if one.was == "failed")

    @property
    def worse(self) -> bool:
        """Tell whether something must not be merged: a new failure, or a silenced one."""
        return bool(self.new or self.silenced)


def difference(
    old: Side, new: Side, *, stands: Callable[[str], bool] = lambda _: False
) -> Difference:
    """Compare two runs; ``stands`` tells whether the function of a node id is in the project."""
    fixed: list[str] = []
    still: list[str] = []
    moved: list[Move] = []
    vanished: list[Absence] = []
    not_run: list[str] = []
    broken = {nodeid for nodeid, outcome in new.outcomes.items() if outcome == "error"}
    files = {_file(nodeid) for nodeid in new.outcomes}
    for nodeid, was in _told(old):
        now = new.outcomes.get(nodeid)
        if now in _FAILED:
            if was == "failed":
                move = _move(nodeid, old, new)
                moved.append(move) if move else still.append(nodeid)
        elif now in _PASSED or (now is None and "::" not in nodeid and nodeid in files):
            # A module that could not be collected is mended when tests of it have outcomes.
            fixed += [nodeid] if was == "failed" else []
        elif now is None and (_file(nodeid) in broken or _unfinished(nodeid, new)):
            not_run.append(nodeid)
        else:
            vanished.append(Absence(nodeid, was, *_why(nodeid, now, new, stands)))
    before = {nodeid for nodeid, was in _told(old) if was == "failed"}
    fresh = [n for n, outcome in new.outcomes.items() if outcome in _FAILED and n not in before]
    unseen = [nodeid for nodeid in fresh if not old.whole and nodeid not in old.outcomes]
    return Difference(
        tuple(fixed),
        tuple(fresh),
        tuple(still),
        tuple(moved),
        tuple(vanished),
        tuple(not_run),
        tuple(unseen),
    )


def _told(old: Side) -> Iterator[tuple[str, Was]]:
    for nodeid, outcome in old.outcomes.items():
        if outcome in _FAILED:
            yield nodeid, "failed"
        elif outcome in _PASSED:
            yield nodeid, "passed"


def _move(nodeid: str, old: Side, new: Side) -> Move | None:
    """Return the move where neither a cause nor a signature is the same."""
    causes = old.causes.get(nodeid, _NOTHING), new.causes.get(nodeid, _NOTHING)
    shown = old.signatures.get(nodeid, _NOTHING), new.signatures.get(nodeid, _NOTHING)
    if not (causes[0] and causes[1]) or causes[0] & causes[1] or shown[0] & shown[1]:
        return None
    return Move(nodeid, tuple(sorted(causes[0])), tuple(sorted(causes[1])))


def _unfinished(nodeid: str, new: Side) -> bool:
    if nodeid in new.selected:
        return True
    return not new.whole and not new.selected and nodeid not in new.deselected


def _why(nodeid: str, now: str | None, new: Side, stands: Callable[[str], bool]) -> tuple[Now, str]:
    if now is not None:
        return ("xfailed" if now == "xfailed" else "skipped"), new.reasons.get(nodeid, "")
    if nodeid in new.deselected:
        return "deselected", ""
    return ("left out" if stands(nodeid) else "gone"), ""


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
