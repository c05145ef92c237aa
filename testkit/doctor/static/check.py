"""The rules, over the files of a project: what was found, and what could not be read."""

from __future__ import annotations

import os
import tokenize
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Finding
from testkit.doctor.rules import CHECKS, UNREASONED
from testkit.doctor.static.files import MOST_BYTES, is_generated
from testkit.doctor.static.ignores import WITHOUT_REASON, ignored
from testkit.doctor.static.module import parse

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

__all__ = ["Checked", "check", "check_text"]

# Starting processes takes longer than reading fewer files.
_FEW: Final = 200
_CHUNK: Final = 40


@dataclass(slots=True)
class Checked:
    """What was found, how many files were read, and why the others were not."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


def check(paths: Sequence[Path], codes: Collection[str]) -> Checked:
    """Read the files, in several processes where they are many; findings in the order of places."""
    checked = Checked()
    one = partial(_check_file, codes=frozenset(codes))
    cores = os.cpu_count() or 1
    if len(paths) < _FEW or cores == 1:
        answers = map(one, paths)
        _add(checked, paths, answers)
    else:
        with ProcessPoolExecutor(max_workers=min(cores, 8)) as pool:
            _add(checked, paths, pool.map(one, paths, chunksize=_CHUNK))
    return checked


def _add(checked: Checked, paths: Sequence[Path], answers: Iterator[list[Finding] | str]) -> None:
    for path, answer in zip(paths, answers, strict=True):
        if isinstance(answer, str):
            checked.skipped[str(path)] = answer
        else:
            checked.files += 1
            checked.findings += answer


def _check_file(path: Path, *, codes: frozenset[str]) -> list[Finding] | str:
    """Return the findings of a file, or why it was not read."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return f"it has more than {MOST_BYTES // 1_000_000} MB"
        with tokenize.open(path) as file:
            text = file.read()
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        return f"it cannot be read: {error}"
    if is_generated(text):
        return "a program wrote it"
    try:
        return check_text(str(path), text, codes)
    except SyntaxError as error:
        return f"Python cannot read line {error.lineno}: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"Python cannot read it: {type(error).__name__}: {error}"


def check_text(path: str, text: str, codes: Collection[str]) -> list[Finding]:
    """Return the findings of a text. Raises SyntaxError, ValueError or RecursionError."""
    module = parse(path, text)
    left = ignored(text)
    findings = []
    for rule, found in CHECKS.items():
        if rule.code not in codes:
            continue
        for place in found(module):
            line = place.node.lineno
            if rule.code not in left.get(line, ()):
                column = place.node.col_offset + 1
                findings.append(
                    Finding(
                        rule.code, rule.severity, path, line, column, "", "", place.reason, rule.fix
                    )
                )
    if UNREASONED.code in codes:
        findings += [
            Finding(
                UNREASONED.code,
                UNREASONED.severity,
                path,
                line,
                1,
                "",
                "",
                UNREASONED.title,
                UNREASONED.fix,
            )
            for line, what in left.items()
            if WITHOUT_REASON in what
        ]
    return sorted(findings, key=lambda each: (each.line, each.column, each.code))
