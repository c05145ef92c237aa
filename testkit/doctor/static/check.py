"""The rules, over the files of a project: what was found, and what could not be read."""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testkit.doctor.finding import Finding
from testkit.doctor.rules import CHECKS, PROJECT_CHECKS, UNREASONED
from testkit.doctor.static.configuration import homes_of
from testkit.doctor.static.files import MOST_BYTES, is_generated
from testkit.doctor.static.ignores import WITHOUT_REASON, ignored
from testkit.doctor.static.module import Module, Place, parse
from testkit.doctor.static.project import FACTS, Project, Spot
from testkit.doctor.static.sources import read_source

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from testkit.doctor.finding import Rule

__all__ = ["Reading", "check_text", "check_texts", "read_files"]

# Starting processes takes longer than reading fewer files.
_FEW: Final = 200
_CHUNK: Final = 40


@dataclass(frozen=True, slots=True)
class _Read:
    """What one file gave: its findings, what rules of the project need of it, what is left."""

    findings: list[Finding]
    facts: dict[str, Any]
    left: Mapping[int, frozenset[str]]


@dataclass(slots=True)
class Reading:
    """A project as the rules of some codes read it; ``skipped`` says why files were not read.

    Of ``others`` only what they say of the project counts, as models that tests use: nothing is
    found in them.
    """

    root: Path
    codes: frozenset[str]
    others: frozenset[str] = frozenset()
    skipped: dict[str, str] = field(default_factory=dict)
    _read: dict[str, _Read] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """Return how many files were read, without the others."""
        return len(self._read.keys() - self.others)

    def take(self, path: str, text: str) -> None:
        """Read a text as that of the file. Raises SyntaxError, ValueError or RecursionError."""
        self._read[path] = _read(path, text, self.codes)

    def findings(self) -> list[Finding]:
        """Return what files gave and what the rules of the project find, in the order of places."""
        found = [finding for each in self._read.values() for finding in each.findings]
        facts: dict[str, dict[str, Any]] = defaultdict(dict)
        for path, each in sorted(self._read.items()):
            for kind, told in each.facts.items():
                facts[kind][path] = told
        files = tuple(sorted(self._read))
        project = Project(str(self.root), files, homes_of(files, self.root), facts)
        for rule, (_, spots) in PROJECT_CHECKS.items():
            if rule.code in self.codes:
                found += [
                    _finding(rule, spot)
                    for spot in spots(project)
                    if rule.code not in self._read[spot.path].left.get(spot.line, ())
                ]
        found = [finding for finding in found if finding.path not in self.others]
        return sorted(found, key=lambda each: (each.path, each.line, each.column, each.code))

    def add(self, paths: Iterable[Path], answers: Iterable[_Read | str]) -> None:
        """Take what the files gave, or why they were not read."""
        for path, answer in zip(paths, answers, strict=True):
            if isinstance(answer, str):
                if str(path) not in self.others:
                    self.skipped[str(path)] = answer
            else:
                self._read[str(path)] = answer


def read_files(
    paths: Sequence[Path], codes: Collection[str], root: Path, others: Sequence[Path] = ()
) -> Reading:
    """Read the files, in several processes where they are many.

    The ``others`` are the rest of the project, and are read where a rule needs all of it.
    """
    whole = any(rule.code in codes for rule in PROJECT_CHECKS)
    named = {*paths}
    more = [path for path in others if path not in named] if whole else []
    reading = Reading(root, frozenset(codes), frozenset(map(str, more)))
    files = [*paths, *more]
    one = partial(_check_file, codes=reading.codes)
    cores = os.cpu_count() or 1
    if len(files) < _FEW or cores == 1:
        reading.add(files, map(one, files))
    else:
        with ProcessPoolExecutor(max_workers=min(cores, 8)) as pool:
            reading.add(files, pool.map(one, files, chunksize=_CHUNK))
    return reading


def check_text(path: str, text: str, codes: Collection[str]) -> list[Finding]:
    """Return the findings of a project of one file. Raises as ``Reading.take`` does."""
    return check_texts({path: text}, codes)


def check_texts(
    texts: Mapping[str, str], codes: Collection[str], root: Path = Path("/project")
) -> list[Finding]:
    """Return the findings of a project given as texts by absolute path.

    Raises SyntaxError, ValueError or RecursionError where Python cannot read one.
    """
    reading = Reading(root, frozenset(codes))
    for path, text in texts.items():
        reading.take(path, text)
    return reading.findings()


def _check_file(path: Path, *, codes: frozenset[str]) -> _Read | str:
    """Return what a file gives, or why it was not read."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return f"it has more than {MOST_BYTES // 1_000_000} MB"
        text = read_source(path).text
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        return f"it cannot be read: {error}"
    if is_generated(text):
        return "a program wrote it"
    try:
        return _read(str(path), text, codes)
    except SyntaxError as error:
        return f"Python cannot read line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"Python cannot read it: {type(error).__name__}: {error}"


def _read(path: str, text: str, codes: Collection[str]) -> _Read:
    module = parse(path, text)
    left = ignored(text)
    findings = [
        _finding(rule, _spot(module, place))
        for rule, found in CHECKS.items()
        if rule.code in codes
        for place in found(module)
        if rule.code not in left.get(place.node.lineno, ())
    ]
    if UNREASONED.code in codes:
        findings += [
            _finding(UNREASONED, Spot(path, line, 1, UNREASONED.title))
            for line, what in left.items()
            if WITHOUT_REASON in what
        ]
    needed = {
        kind for rule, (kinds, _) in PROJECT_CHECKS.items() if rule.code in codes for kind in kinds
    }
    told = {kind: FACTS[kind](module) for kind in sorted(needed)}
    return _Read(findings, {kind: fact for kind, fact in told.items() if fact is not None}, left)


def _spot(module: Module, place: Place) -> Spot:
    return Spot(
        module.path,
        place.node.lineno,
        place.node.col_offset + 1,
        place.reason,
        (*place.edits, *(module.edit(change) for change in place.changes)),
        tuple(sorted({name for change in place.changes for name in change.imports})),
    )


def _finding(rule: Rule, spot: Spot) -> Finding:
    return Finding(
        rule.code,
        rule.severity,
        spot.path,
        spot.line,
        spot.column,
        "",
        "",
        spot.reason,
        rule.fix,
        spot.edits,
        spot.imports,
    )
