"""Running a red suite in a process of its own: its record and its JUnit report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.suites import RecordedSuite

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Ran", "junit_name", "run_red_suite"]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run left behind: ``record`` is None where it wrote none. ``red`` is what it reported.

    ``red`` and ``passed`` hold the names of JUnit, ``module.Class::name``: see ``junit_name``.
    """

    code: int
    text: str
    junit: Path
    record: Path | None
    red: frozenset[str]
    passed: frozenset[str]


def run_red_suite(folder: Path, *options: str, timeout: float = 120) -> Ran:
    """Run pytest in this folder with ``--testkit-record``, in the order of the files.

    Tracebacks are drawn as ``--tb=native``, which is quick, unless an option says otherwise.
    """
    before = _records(folder)
    outcome = _Written(folder).run("--testkit-record", "--tb=native", *options, timeout=timeout)
    records = sorted(_records(folder) - before)
    words = outcome.tests.items()
    return Ran(
        code=outcome.code,
        text=outcome.text,
        junit=folder / "report.xml",
        record=records[-1] if records else None,
        red=frozenset(name for name, word in words if word in {"failed", "error"}),
        passed=frozenset(name for name, word in words if word == "passed"),
    )


def junit_name(nodeid: str) -> str:
    """Return the name that a JUnit report gives this test, for want of a node id."""
    path, *names = nodeid.split("::")
    return ".".join([path.removesuffix(".py").replace("/", "."), *names[:-1]]) + "::" + names[-1]


def _records(folder: Path) -> set[Path]:
    return set((folder / ".testkit" / "runs").glob("*.jsonl"))


class _Written(RecordedSuite):
    """A suite whose files are there already."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
