"""What a project would become: its findings rewritten in memory, until none is left to rewrite."""

from __future__ import annotations

import difflib
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.doctor.rewriting.texts import rewritten
from testkit.doctor.static.sources import Source, read_source

if TYPE_CHECKING:
    from testkit.doctor.finding import Finding
    from testkit.doctor.static.check import Reading

__all__ = ["Rewrite", "diff_of", "plan"]

# A rewrite may bring another to light, as one import does for the next; none needs more rounds.
_ROUNDS: Final = 10


@dataclass(slots=True)
class Rewrite:
    """A file, the text that it would have, and the findings that this mends."""

    path: str
    source: Source
    text: str
    findings: list[Finding]

    @property
    def data(self) -> bytes:
        """Return the file's bytes with the new text."""
        return self.source.with_text(self.text)


def plan(reading: Reading) -> tuple[list[Rewrite], dict[str, str]]:
    """Return what would be rewritten, in the order of paths, and why other files would not.

    The reading is that of the project with all of it.
    """
    made: dict[str, Rewrite] = {}
    refused: dict[str, str] = {}
    for _ in range(_ROUNDS):
        waiting = _fixable(reading, refused)
        if not waiting:
            break
        for path, findings in waiting.items():
            problem = _rewrite(reading, made, path, findings)
            if problem:
                refused[path] = problem
    return [made[path] for path in sorted(made)], refused


def _fixable(reading: Reading, refused: dict[str, str]) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in reading.findings():
        if finding.fixable and finding.path not in refused:
            found[finding.path].append(finding)
    return found


def _rewrite(reading: Reading, made: dict[str, Rewrite], path: str, findings: list[Finding]) -> str:
    """Rewrite one file as far as one round can; return why it is left as it is, else ""."""
    try:
        one = made.get(path) or _begun(path)
        if one.source.mixed:
            return "its lines end in different ways"
        text, done = rewritten(one.text, findings)
        if not done or text == one.text:
            return f"the rewrite of {findings[0].code} does not fit its text"
        one.source.with_text(text)
        reading.take(path, text)
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        return f"{type(error).__name__}: {error}"
    one.text = text
    one.findings += done
    made[path] = one
    return ""


def _begun(path: str) -> Rewrite:
    source = read_source(Path(path))
    return Rewrite(path, source, source.text, [])


def diff_of(rewrite: Rewrite, name: str) -> str:
    """Return the rewrite as a unified diff of the file, which has this name in it."""
    lines = difflib.unified_diff(
        io.StringIO(rewrite.source.text).readlines(),
        io.StringIO(rewrite.text).readlines(),
        f"a/{name}",
        f"b/{name}",
    )
    missing = "\n\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else line + missing for line in lines)
