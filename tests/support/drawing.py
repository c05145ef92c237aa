"""Draws as a process of a project has them, and processes that draw at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.core.current import RunningTest
from testkit.pytest_plugin.drawing import Drawing

if TYPE_CHECKING:
    from testkit.core.draws import Draws

__all__ = ["Drawer", "drawn_by_processes"]

_ROOT: Final = Path(__file__).parents[2]
_SCRIPT: Final = """
import json, sys
from tests.support.drawing import Drawer

drawer = Drawer({root!r}, worker="gw{number}")
draws = drawer.draws
drawer.running.begin_test("test_it")
print("ready", flush=True)
sys.stdin.readline()
print(json.dumps([{expression} for _ in range({times})]))
drawer.end()
"""


class Drawer:
    """One process' draws in a project, and the test that runs in it."""

    def __init__(self, root: str | Path, *, worker: str = "gw1") -> None:
        self.running = RunningTest()
        self._drawing = Drawing(Path(root), worker, self.running)
        self.running.begin_run(lambda: self._drawing.draws, seed=1, uuid_version=4)
        self.end = self._drawing.end

    @property
    def draws(self) -> Draws:
        """What tests draw from."""
        draws = self.running.draws
        assert draws is not None
        return draws


def drawn_by_processes(root: Path, expression: str, *, processes: int, times: int) -> list[object]:
    """Return what processes draw at once, each ``expression`` of ``draws`` so many times."""
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                _SCRIPT.format(root=str(root), number=n, expression=expression, times=times),
            ],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(processes)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    drawn: list[object] = []
    for process in started:
        drawn += json.loads(process.communicate()[0])
        assert process.returncode == 0
    return drawn
