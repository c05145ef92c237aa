"""A process that works on the project's schema, seen from the outside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BASELINE", "METADATA", "SchemaProcess", "own_lines"]

# How what a process works on begins: a MetaData, or a function that makes rows.
METADATA: Final = "metadata:"
BASELINE: Final = "baseline:"


class SchemaProcess:
    """Runs a module of testkit in the project's root; it is sent lines of JSON.

    What it prints is kept for a message. ``python -m`` puts the root first on the path, as it does
    for the project's own commands.
    """

    def __init__(
        self, module: str, *arguments: str, root: Path, pass_fds: Sequence[int] = ()
    ) -> None:
        self._root = root
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(_paths(root))},
            pass_fds=pass_fds,
        )

    def send(self, order: Mapping[str, object]) -> None:
        """Write one line; a process that has ended is noticed by ``finish``."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write((json.dumps(order) + "\n").encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass

    def finish(self) -> int:
        """Wait for the end and answer the exit code."""
        self._process.communicate()
        return self._process.returncode

    def last_words(self) -> str:
        """Return the end of what it printed, without the frames of installed packages."""
        self._output.seek(0)
        lines = own_lines(self._output.read().decode(errors="replace"), self._root)
        return "\n".join(lines[-25:]) or "(nothing)"

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._output.close()


def own_lines(output: str, root: Path) -> list[str]:
    """Return the lines of an output without the frames of installed packages in its tracebacks."""
    kept: list[str] = []
    foreign = False
    for line in output.strip().splitlines():
        if line.startswith('  File "'):
            foreign = not line.startswith(f'  File "{root}') or "site-packages" in line
        elif not line.startswith("    "):
            foreign = False
        if not foreign:
            kept.append(line)
    return kept


def _paths(root: Path) -> list[str]:
    # testkit itself must be found also where it is not installed beside the project's packages.
    here = str(Path(__file__).parents[3])
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sources = [str(root / "src")] if (root / "src").is_dir() else []
    return [str(root), *sources, *(p for p in inherited if p), here]
