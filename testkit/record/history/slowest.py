"""What tests take: the set-up, the call and the teardown apart, and what got slower."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from testkit.record.history.run import passed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.record.history.run import Run

__all__ = ["Duration", "Slower", "durations", "slower"]

_PHASES: Final = ("setup", "call", "teardown")
_LAST: Final = 20
_RECENT: Final = 3
_FEWEST: Final = 5
#: Times the median absolute deviation is a standard deviation, of what is spread normally.
_SIGMA: Final = 1.4826
_TIMES: Final = 4.0
_SHARE: Final = 0.2
_SECONDS: Final = 0.005


@dataclass(frozen=True, slots=True)
class Duration:
    """The medians of a test's seconds over its last runs that passed."""

    nodeid: str
    runs: int
    setup: float
    call: float
    teardown: float

    @property
    def total(self) -> float:
        """All three."""
        return self.setup + self.call + self.teardown


@dataclass(frozen=True, slots=True)
class Slower:
    """A phase whose last three runs are slower than the ones before, beyond their noise."""

    nodeid: str
    phase: str
    before: float
    now: float
    noise: float
    runs: int


def durations(runs: Sequence[Run]) -> list[Duration]:
    """Return what each test takes, the slowest first; ``runs`` are oldest first."""
    found = []
    for nodeid, phases in _passed(runs).items():
        told = {phase: phases[phase][-_LAST:] for phase in _PHASES}
        count = max(map(len, told.values()))
        middles = [median(told[phase]) if told[phase] else 0.0 for phase in _PHASES]
        found.append(Duration(nodeid, count, *middles))
    return sorted(found, key=lambda one: (-one.total, one.nodeid))


def slower(runs: Sequence[Run]) -> list[Slower]:
    """Return what got slower, the largest loss first; ``runs`` are oldest first.

    The last three are compared with at least five and at most twenty before them. Each of the
    three must be slower than the median of those; their median by more than four standard
    deviations (told by the median absolute deviation), a fifth, and five milliseconds.
    """
    found = []
    for nodeid, phases in _passed(runs).items():
        for phase, seconds in phases.items():
            before, now = seconds[:-_RECENT][-_LAST:], seconds[-_RECENT:]
            if len(before) < _FEWEST:
                continue
            middle = median(before)
            noise = _SIGMA * median(abs(one - middle) for one in before)
            least = max(_TIMES * noise, _SHARE * middle, _SECONDS)
            if min(now) > middle and median(now) - middle > least:
                found.append(Slower(nodeid, phase, middle, median(now), noise, len(seconds)))
    return sorted(found, key=lambda one: (one.before - one.now, one.nodeid, one.phase))


def _passed(runs: Sequence[Run]) -> dict[str, dict[str, list[float]]]:
    """Return test, phase, and the seconds of each run that passed, in order."""
    found: dict[str, dict[str, list[float]]] = {}
    for run in runs:
        for result in run.results:
            if not passed(result.outcome):
                continue
            phases = found.setdefault(result.nodeid, defaultdict(list))
            for phase in _PHASES:
                seconds = getattr(result, phase)
                if seconds is not None:
                    phases[phase].append(seconds)
    return found
