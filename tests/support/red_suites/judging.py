"""Judging an answer of triage against the causes that were planted."""

from __future__ import annotations

from collections import Counter
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from testkit.core.runs.causes import Triage

__all__ = ["adjusted_rand_index", "told", "verdict", "wrong_merges"]


def adjusted_rand_index(truth: Mapping[str, str], found: Mapping[str, str]) -> float:
    """Return how well two groupings of the truth's tests agree: 1 the same, 0 as by chance.

    Hubert and Arabie, Comparing Partitions, Journal of Classification 2 (1985). A test that
    ``found`` does not know is a group of its own.
    """
    groups = {test: found.get(test, f"\0alone {test}") for test in truth}
    pairs = _pairs(Counter((truth[test], groups[test]) for test in truth).values())
    of_truth = _pairs(Counter(truth.values()).values())
    of_found = _pairs(Counter(groups.values()).values())
    every = comb(len(truth), 2)
    expected = of_truth * of_found / every if every else 0.0
    most = (of_truth + of_found) / 2
    return 1.0 if most == expected else (pairs - expected) / (most - expected)


def told(triage: Triage) -> dict[str, str]:
    """Return the id of the cause under which each test's first failure stands, by node id."""
    groups: dict[str, str] = {}
    for cause in triage.causes:
        for nodeid in cause.tests:
            groups.setdefault(nodeid, cause.id)
    return groups


def wrong_merges(truth: Mapping[str, str], triage: Triage) -> list[str]:
    """Return a sentence for each named cause under which tests of two planted causes stand.

    Tests that the truth does not know count for nothing.
    """
    sentences = []
    for cause in triage.causes:
        labels = Counter(truth[nodeid] for nodeid in cause.tests if nodeid in truth)
        if cause.rule is not None and len(labels) > 1:
            parts = ", ".join(f"{count} of {label}" for label, count in sorted(labels.items()))
            sentences.append(f"{cause.rule} ({cause.title}): {parts}")
    return sentences


def verdict(truth: Mapping[str, str], triage: Triage) -> str:
    """Return a table of what each planted cause came out as, to print beside a failed judgement."""
    groups = told(triage)
    causes = {cause.id: cause for cause in triage.causes}
    lines = [f"adjusted Rand index {adjusted_rand_index(truth, groups):.3f}"]
    for label in sorted(set(truth.values())):
        counts = Counter(groups.get(test, "") for test in truth if truth[test] == label)
        lines.append(label)
        for group, count in counts.most_common():
            cause = causes.get(group)
            lines.append(
                f"    {count:4} {cause.rule or '?'}: {cause.title[:90]}"
                if cause
                else f"    {count:4} not told"
            )
    return "\n".join(lines + [f"WRONG MERGE {one}" for one in wrong_merges(truth, triage)])


def _pairs(sizes: Iterable[int]) -> int:
    return sum(comb(size, 2) for size in sizes)
