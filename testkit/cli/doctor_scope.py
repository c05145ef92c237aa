"""Which findings are told: not those of a baseline, only those on lines that have changed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from testkit.doctor.finding import Finding

__all__ = ["beyond", "changed_since", "write_baseline"]

_Key = tuple[str, str, str]
_HUNK: Final = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")
_SECONDS: Final = 60


def write_baseline(findings: Iterable[Finding], file: Path, root: Path) -> int:
    """Write the findings as a baseline, sorted; return how many there are.

    A finding is known again by its code, its file and the text of its line, wherever that stands.
    Raises TK435 where it cannot be written.
    """
    counts = Counter(key for _, key in _keyed(findings, root))
    rows = [
        {"code": code, "path": path, "line": line, "count": count}
        for (code, path, line), count in sorted(counts.items())
    ]
    told = json.dumps({"version": 1, "findings": rows}, indent=1, ensure_ascii=False)
    try:
        file.write_text(told + "\n", "utf-8")
    except OSError as error:
        raise TestkitError("TK435", path=file, problem=str(error)) from error
    return counts.total()


def beyond(
    findings: Sequence[Finding], file: Path, root: Path
) -> tuple[list[Finding], int, list[str]]:
    """Return what is not in the baseline, how many are, and what stands there and is gone.

    Raises TK435.
    """
    left = _read(file)
    kept = []
    for finding, key in _keyed(findings, root):
        if left[key] > 0:
            left[key] -= 1
        else:
            kept.append(finding)
    gone = [f"{code} {path}" for (code, path, _), count in left.items() if count > 0]
    return kept, len(findings) - len(kept), gone


def _read(file: Path) -> Counter[_Key]:
    try:
        told: Any = json.loads(file.read_text("utf-8"))
        if told["version"] != 1:
            problem = f"it is of version {told['version']!r}, 1 is known"
            raise TestkitError("TK435", path=file, problem=problem)
        return Counter(
            {
                (str(row["code"]), str(row["path"]), str(row["line"])): int(row["count"])
                for row in told["findings"]
            }
        )
    except (OSError, ValueError, RecursionError) as error:
        raise TestkitError("TK435", path=file, problem=str(error)) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise TestkitError("TK435", path=file, problem="it is of another form") from error


def _keyed(findings: Iterable[Finding], root: Path) -> Iterator[tuple[Finding, _Key]]:
    lines: dict[str, list[str]] = {}
    for finding in findings:
        path = Path(finding.path)
        if finding.path not in lines:
            try:
                lines[finding.path] = path.read_text("utf-8", "replace").split("\n")
            except OSError:
                lines[finding.path] = []
        known = lines[finding.path]
        line = known[finding.line - 1] if finding.line <= len(known) else ""
        inside = path.relative_to(root) if path.is_relative_to(root) else path
        yield finding, (finding.code, inside.as_posix(), " ".join(line.split())[:200])


def changed_since(findings: Sequence[Finding], revision: str, root: Path) -> list[Finding]:
    """Return the findings on lines that were added or changed since the branch left ``revision``.

    Files that git does not know yet are new in whole. Raises TK436.
    """
    changed = _changed(revision, root)
    kept = []
    for finding in findings:
        lines = changed.get(os.path.realpath(finding.path))
        if lines is not None and (not lines or any(finding.line in each for each in lines)):
            kept.append(finding)
    return kept


def _changed(revision: str, root: Path) -> dict[str, list[range]]:
    """Return by absolute path the lines that changed; none at all stand for the whole file."""
    top = Path(os.fsdecode(_git(root, revision, "rev-parse", "--show-toplevel").rstrip(b"\n")))
    base = _git(root, revision, "merge-base", "--end-of-options", revision, "HEAD").decode().strip()
    told = _git(
        top,
        revision,
        *("-c", "core.quotePath=false", "diff", "--no-ext-diff", "--no-color", "-M", "-U0"),
        *("--src-prefix=a/", "--dst-prefix=b/", base, "--", "*.py"),
    )
    found: dict[str, list[range]] = defaultdict(list)
    path = ""
    for line in told.decode("utf-8", "surrogateescape").split("\n"):
        if line.startswith("+++ "):
            name = line[4:].rstrip("\t")
            path = os.path.realpath(top / name[2:]) if name.startswith("b/") else ""
        elif path and (hunk := _HUNK.match(line)):
            start, count = int(hunk[1]), int(hunk[2] or 1)
            found[path].append(range(start, start + count))
    unknown = _git(top, revision, "ls-files", "-z", "--others", "--exclude-standard", "--", "*.py")
    for each in unknown.split(b"\0"):
        if each:
            found[os.path.realpath(top / os.fsdecode(each))] = []
    return found


def _git(folder: Path, revision: str, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the one that the project is kept with
            cwd=folder,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TestkitError("TK436", revision=revision, problem=str(error)) from error
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        problem = lines[0].removeprefix("fatal: ") if lines else "they have no commit in common"
        raise TestkitError("TK436", revision=revision, problem=problem)
    return done.stdout
