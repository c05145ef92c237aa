"""Which tests fail and pass on the same code, how often, and whether by their order."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testkit.record.history.run import failed, passed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from testkit.record.history.run import Result, Run

__all__ = ["Flaky", "flaky", "wilson"]

_Z: Final = 1.959964  # of 95 %
#: How likely it may be that chance alone put one test before each failure and before no pass.
_CHANCE: Final = 0.05
_SUSPECTS: Final = 10


@dataclass(frozen=True, slots=True)
class Flaky:
    """A test with both outcomes on one code.

    ``attempts`` and ``failures`` count those codes only; ``low`` and ``high`` bound the rate of
    failures (Wilson, 95 %). ``reruns`` counts runs that had both outcomes within themselves.
    ``suspects`` ran before each failure on its worker and before no pass: with one, the failures
    go by order; ``suspects_count`` is how many there are, of which at most ten are named.
    """

    nodeid: str
    runs: int
    attempts: int
    failures: int
    low: float
    high: float
    reruns: int
    codes: tuple[str, ...]
    suspects: tuple[str, ...] = ()
    suspects_count: int = 0

    @property
    def by_order(self) -> bool:
        """Whether the order of tests explains the failures, and chance does not."""
        return self.suspects_count > 0


def flaky(runs: Sequence[Run]) -> list[Flaky]:
    """Return the flaky tests, the most certain ones first: by the lower bound of their rate.

    One code is one commit without changes, or one run. A test with one outcome on each code is
    broken there, or not: it is not flaky.
    """
    codes: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        clean = run.commit and run.dirty is False
        codes[f"commit {run.commit}" if clean else f"run {run.id}"].append(run)
    mixed: defaultdict[str, list[tuple[str, Sequence[Run]]]] = defaultdict(list)
    results: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for code, same in codes.items():
        both = _both(same)
        for nodeid in sorted(both):
            mixed[nodeid].append((code, same))
        for run in same if both else ():
            for result in run.results:
                if result.nodeid in both:
                    results[run.id, result.nodeid].append(result)
    found = [_judged(nodeid, of, results) for nodeid, of in mixed.items()]
    return sorted(found, key=lambda one: (-one.low, one.nodeid))


def wilson(failures: int, attempts: int) -> tuple[float, float]:
    """Return the bounds, at 95 %, of the rate that this many failures tell of."""
    if attempts == 0:
        return 0.0, 1.0
    rate, z2 = failures / attempts, _Z * _Z
    middle = rate + z2 / (2 * attempts)
    spread = _Z * math.sqrt(rate * (1 - rate) / attempts + z2 / (4 * attempts * attempts))
    whole = 1 + z2 / attempts
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def _both(runs: Iterable[Run]) -> set[str]:
    fails: set[str] = set()
    passes: set[str] = set()
    for run in runs:
        for result in run.results:
            if failed(result.outcome):
                fails.add(result.nodeid)
            elif passed(result.outcome):
                passes.add(result.nodeid)
    return fails & passes


def _judged(
    nodeid: str,
    codes: Sequence[tuple[str, Sequence[Run]]],
    results: Mapping[tuple[str, str], Sequence[Result]],
) -> Flaky:
    attempts = failures = reruns = seen = 0
    firsts: list[tuple[Run, Result]] = []
    for _, runs in codes:
        for run in runs:
            of = results.get((run.id, nodeid), ())
            told = [failed(one.outcome) for one in of if failed(one.outcome) or passed(one.outcome)]
            if not told:
                continue
            seen += 1
            attempts += len(told)
            failures += sum(told)
            reruns += any(told) and not all(told)
            firsts.append((run, min(of, key=lambda one: one.attempt)))
    # What passes when it is run again, behind the same tests, does not go by their order.
    suspects = [] if reruns else _suspects(nodeid, firsts)
    low, high = wilson(failures, attempts)
    return Flaky(
        nodeid=nodeid,
        runs=seen,
        attempts=attempts,
        failures=failures,
        low=low,
        high=high,
        reruns=reruns,
        codes=tuple(code for code, _ in codes),
        suspects=tuple(suspects[:_SUSPECTS]),
        suspects_count=len(suspects),
    )


def _suspects(nodeid: str, firsts: Sequence[tuple[Run, Result]]) -> list[str]:
    """Return the tests that stood before each failure and before no pass, nearest ones first.

    None where chance explains it: were failures strewn over the runs at random, they would meet
    one given pattern with a likelihood of 1 in (runs over failures), and each pattern of presence
    that a test has is one try.
    """
    placed = [
        (run, one)
        for run, one in firsts
        if one.order >= 0 and (failed(one.outcome) or passed(one.outcome))
    ]
    most = _CHANCE * math.comb(len(placed), sum(failed(one.outcome) for _, one in placed))
    if most < 1:  # so few runs cannot tell even one pattern from chance: spare reading them whole
        return []
    known = [(failed(one.outcome), _before(run, one)) for run, one in placed]
    fails = [before for has_failed, before in known if has_failed]
    passes = [before for has_failed, before in known if not has_failed]
    if not fails or not passes:
        return []
    patterns: dict[str, int] = defaultdict(int)
    for number, (_, before) in enumerate(known):
        for other in before:
            patterns[other] |= 1 << number
    differing = len(set(patterns.values()) - {(1 << len(known)) - 1})
    if differing > most:
        return []
    shared = set(fails[0]).intersection(*fails[1:]).difference(*passes)
    return sorted(shared - {nodeid}, key=lambda other: (-fails[0][other], other))


def _before(run: Run, result: Result) -> Mapping[str, int]:
    return {
        one.nodeid: one.order
        for one in run.results
        if one.worker == result.worker and 0 <= one.order < result.order
    }
