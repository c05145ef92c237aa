"""What a suite's last run recorded, as lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from testkit.record.files import records

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["last_record", "lines_of", "outcomes", "told_of_tests"]


def last_record(root: Path) -> list[dict[str, Any]]:
    """Return the lines of the newest record."""
    return lines_of(records(root)[0])


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a record; each must be whole."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def told_of_tests(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines about tests."""
    return [line for line in lines if line["kind"] == "test"]


def outcomes(lines: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return name, phase and outcome of each line about a test, sorted."""
    told = [
        (
            line["nodeid"].partition("::")[2] + line.get("subtest", ""),
            line["phase"],
            line["outcome"],
        )
        for line in told_of_tests(lines)
    ]
    return sorted(told)
