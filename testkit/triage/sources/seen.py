"""When a failure was seen first: the signatures in the project's older records.

What was read once stands in ``.testkit/seen.json``, so that each record is read once, and what
an old record knew is kept when the record is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from typing import TYPE_CHECKING, Any, Final

from testkit.triage.sources.recent import recorded

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["first_seen"]

_FILE: Final = "seen.json"
_SECONDS: Final = 0.25
_MOST_RECORDS: Final = 50
_MOST_KEPT: Final = 20_000
# A key of ours, in a line of JSON: inside a text its quotes would be escaped.
_SIGNATURE: Final = re.compile(rb'"signature": ?"([0-9a-f]{12})"')
_STARTED: Final = re.compile(rb'"started": ?"([0-9TZ:.+-]{1,40})"')
_HEAD: Final = 65_536


def first_seen(root: Path) -> dict[str, str]:
    """Return signature to UTC time of the first run that had it, as far as it is known.

    Reads records for a quarter of a second at most; the next call goes on from there.
    """
    records = recorded(root)[-_MOST_RECORDS:]
    if not records:
        return {}
    file = root / ".testkit" / _FILE
    read, first = _kept(file)
    end = time.monotonic() + _SECONDS
    changed = False
    for record in records:
        with contextlib.suppress(OSError):
            size = record.stat().st_size
            if read.get(record.name) == size:
                continue
            if time.monotonic() > end:
                break
            _take(record, first)
            read[record.name], changed = size, True
    if changed:
        names = {record.name for record in records}
        _keep(file, {name: size for name, size in read.items() if name in names}, first)
    return first


def _take(record: Path, first: dict[str, str]) -> None:
    with record.open("rb") as lines:
        found = _STARTED.search(lines.read(_HEAD))
        if found is None:
            return
        started = found[1].decode()
        lines.seek(0)
        for line in lines:
            if match := _SIGNATURE.search(line):
                name = match[1].decode()
                first[name] = min(first.get(name, started), started)


def _kept(file: Path) -> tuple[dict[str, int], dict[str, str]]:
    """Read what stands in the file; what is not of its form counts as nothing."""
    try:
        told: Any = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}, {}
    match told:
        case {"version": 1, "read": dict() as read, "first": dict() as first}:
            return (
                {name: size for name, size in read.items() if isinstance(size, int)},
                {name: when for name, when in first.items() if isinstance(when, str)},
            )
    return {}, {}


def _keep(file: Path, read: dict[str, int], first: dict[str, str]) -> None:
    newest = sorted(first.items(), key=lambda pair: pair[1])[-_MOST_KEPT:]
    draft = file.with_name(f"{_FILE}.{os.getpid()}")
    with contextlib.suppress(OSError):  # a project that cannot be written to has no memory
        draft.write_text(json.dumps({"version": 1, "read": read, "first": dict(newest)}), "utf-8")
        draft.replace(file)
