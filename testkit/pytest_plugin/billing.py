"""The line that says what testkit cost a run; the workers' bills are added up in the controller."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.pytest_plugin.worker import Worker

__all__ = ["backends_of", "bill_lines", "bill_of"]

_MOST_NAMED: Final = 10
_MILLISECONDS_BELOW: Final = 0.1


def bill_of(worker: Worker, began: float) -> dict[str, Any] | None:
    """Return what this process' servers cost since ``began``, None where it used none."""
    if worker.run.postgres is None and worker.run.redis is None:
        return None
    facts = worker.isolation.bill.facts()
    # It is made while the run waits, or behind its back: only what was waited for is billed.
    waited = facts["seconds"].get("start", 0.0)
    template = min(worker.run.template_seconds, waited)
    facts["seconds"] |= {"start": waited - template, "template": template}
    return facts | {"wall": time.perf_counter() - began, "backends": _backends(worker)}


def backends_of(own: Worker | None, workers: Sequence[dict[str, Any]]) -> list[str]:
    """Return product, version and road of each server that a run used, each once."""
    told = {text for bill in workers for text in bill["backends"]}
    return sorted(told | {*(_backends(own) if own is not None else ())})


def _backends(worker: Worker) -> list[str]:
    run = worker.run
    postgres = (
        [f"PostgreSQL {run.postgres.version} ({run.postgres.backend})"] if run.postgres else []
    )
    redis = [f"{run.redis.product} {run.redis.version} ({run.redis.backend})"] if run.redis else []
    return [*postgres, *redis]


def bill_lines(
    own: dict[str, Any] | None, workers: Sequence[dict[str, Any]], *, verbose: bool
) -> list[str]:
    """Return the run's bill; where ``verbose``, also the tests whose isolation took longest."""
    bills = [bill for bill in (own, *workers) if bill is not None]
    if not bills:
        return []
    seconds, counts = _sum(bills, "seconds"), _sum(bills, "counts")
    queries = seconds.pop("queries", 0.0)  # the tests' own time, not testkit's
    billed = sum(seconds.values())
    wall = sum(bill["wall"] for bill in workers)
    if own is not None:
        # A controller that distributes only waits for the others, but for what it started.
        costs = sum(cost for item, cost in own["seconds"].items() if item != "queries")
        wall += costs if workers else own["wall"]
    among = f" in {len(workers)} workers" if len(workers) > 1 else ""
    share = f" ({billed / wall:.0%})" if wall else ""
    parts = ", ".join(_parts(seconds, counts))
    if sent := counts.get("queries"):
        parts += f"; the tests' own statements {_shown(queries)} ({sent:,})"
    lines = [f"testkit: {_shown(billed)} of {_shown(wall)}{share}{among}: {parts}"]
    if verbose and counts.get("isolation"):
        lines += _costliest(bills)
    return lines


def _parts(seconds: dict[str, float], counts: dict[str, int]) -> list[str]:
    parts = [f"start {_shown(seconds.get('start', 0.0))}"]
    if seconds.get("template"):
        parts.append(f"template {_shown(seconds['template'])}")
    if tests := counts.get("isolation"):
        each = seconds["isolation"] / tests * 1000
        number = f"{tests:,} test{'s' if tests > 1 else ''}"
        parts.append(f"isolation {_shown(seconds['isolation'])} ({number}, {each:.2f} ms each)")
    return parts + [
        f"{item} {_shown(seconds[item])} ({counts[item]:,})"
        for item in ("sessions put back", "reconnects", "databases kept")
        if counts.get(item)
    ]


def _costliest(bills: Sequence[dict[str, Any]]) -> list[str]:
    found = sorted((tuple(each) for bill in bills for each in bill["costliest"]), reverse=True)
    rows = [f"testkit:   {cost * 1000:8.2f} ms  {who}" for cost, who in found[:_MOST_NAMED]]
    return ["testkit: the isolation of these tests took longest:", *rows]


def _sum(bills: Sequence[dict[str, Any]], kind: str) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for bill in bills:
        for item, amount in bill[kind].items():
            total[item] = total.get(item, 0) + amount
    return total


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < _MILLISECONDS_BELOW else f"{seconds:.1f} s"
