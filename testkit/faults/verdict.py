"""What is to be said of faults that struck nothing. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from testkit.faults.fault import Fault
    from testkit.faults.log import Log

__all__ = ["never_struck"]


def never_struck(declared: Iterable[tuple[str, Fault]], log: Log) -> str:
    """Return a text that names each, and what its relay saw instead; empty where all struck."""
    lines = []
    for relay, fault in declared:
        broken = fault.rule.broken if fault.rule is not None else None
        if fault.struck and broken is None:
            continue
        site = f", declared at {fault.site}" if fault.site else ""
        lines.append(f"  {fault}{site}")
        if broken is not None:
            lines.append(f"    {broken}")
            continue
        seen = log.seen(relay)
        lines += [f"    {relay} saw: {'; '.join(seen)}" if seen else f"    nobody came to {relay}"]
    return "\n".join(lines)
