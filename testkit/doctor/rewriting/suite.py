"""What a project's suite says before and after a rewrite: as many tests, none of them worse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from testkit.system.child_group import run_group

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Suite", "ask", "worse"]

#: ``collect`` runs no test, ``run`` runs all.
Way = Literal["collect", "run"]
_SECONDS: Final = 3600.0
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Suite:
    """What was collected, by node id with its outcome, and in how many places it failed to be.

    ``problem`` says why nothing is known.
    """

    tests: Mapping[str, str] = field(default_factory=dict)
    errors: int = 0
    problem: str = ""


def ask(root: Path, way: Way) -> Suite:
    """Run pytest in ``root`` as a person would, with the project's own options.

    No record is written of it. It is killed with all that it started when this ends.
    """
    with tempfile.TemporaryDirectory(prefix="testkit-doctor-") as folder:
        answer, said = Path(folder, "answer"), Path(folder, "said")
        command = [sys.executable, "-m", "pytest", "-p", "testkit.doctor.rewriting.outcomes_plugin"]
        # Its own options may need the cache; what is found out here is not for the next run.
        command += ["-o", f"cache_dir={folder}/cache"]
        command += ["--collect-only"] if way == "collect" else []
        environment = os.environ | {
            "TESTKIT_OUTCOMES": str(answer),
            "TESTKIT_RECORD": "false",
        }
        try:
            code = run_group(
                command, folder=root, environment=environment, output=said, timeout=_SECONDS
            )
        except subprocess.TimeoutExpired:
            return Suite(problem=f"it took longer than {_SECONDS / 60:g} minutes")
        if not answer.exists():
            lines = said.read_text("utf-8", "replace").strip().splitlines() or [""]
            return Suite(problem=f"pytest ended with {code}: {lines[-1]}")
        told = json.loads(answer.read_text("utf-8"))
        return Suite(told["tests"], told["errors"])


def worse(before: Suite, after: Suite) -> str:
    """Return in what the suite is worse than it was, "" where it is not.

    Fewer tests of a file, more places that cannot be collected, a test that passed and does not.
    A test that failed before may do as it likes.
    """
    if after.problem:
        return "" if before.problem else after.problem
    if after.errors > before.errors:
        return f"{after.errors - before.errors} more files cannot be collected"
    counts = _by_file(before), _by_file(after)
    for file, count in counts[0].items():
        if counts[1][file] < count:
            return f"{file} has {counts[1][file]} tests, it had {count}"
    lost = [
        nodeid
        for nodeid, outcome in before.tests.items()
        if outcome == "passed" and after.tests.get(nodeid, "passed") != "passed"
    ]
    if lost:
        more = f" and {len(lost) - _FEW} more" if len(lost) > _FEW else ""
        return f"{', '.join(lost[:_FEW])}{more} passed before"
    return ""


def _by_file(suite: Suite) -> Counter[str]:
    return Counter(nodeid.partition("::")[0] for nodeid in suite.tests)
