"""Processes of the control center that can be killed."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

__all__ = ["Replica"]

ROOT: Final = Path(__file__).parents[3]


@dataclass
class Replica:
    """``python -m cos serve`` on servers of a test's own; each start has a log of its own."""

    name: str
    folder: Path
    environment: dict[str, str]
    starts: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _log: IO[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, without waiting until it serves."""
        self.starts += 1
        self._log = (self.folder / f"{self.name}-{self.starts}.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "cos", "serve", "--port", "0"],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=self._log,
            stderr=self._log,
        )

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self._process is not None
        assert self._log is not None
        self._process.kill()
        self._process.wait()
        self._log.close()
        self._process = self._log = None

    def stop(self) -> int:
        """End it with SIGTERM; return its exit code."""
        assert self._process is not None
        assert self._log is not None
        self._process.terminate()
        code = self._process.wait(30)
        self._log.close()
        self._process = self._log = None
        return code

    def close(self) -> None:
        """Kill it, if it runs."""
        if self._process is not None:
            self.kill()
