"""How long the doctor takes: a quarter of a million lines, or the folders that are named.

    python benchmarks/doctor.py [FOLDER …]

The command as a whole, in a process of its own, three times. Without a folder it reads copies of
the standard library's packages, beside as many files of tests with models, rows and migrations.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Final

from measure import machine

_LINES: Final = 250_000
_TEST: Final = """
import os
import uuid
from app.models import Order{n}

def test_an_order_{n}(session, monkeypatch):
    session.add(Order{n}(id=uuid.uuid4(), name="pen"))
    session.flush()
    assert session.get(Order{n}, uuid.uuid4()) is None
"""


def main() -> None:
    """Measure and print a line for each run."""
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        named = [Path(each) for each in sys.argv[1:]] or [_written(Path(folder))]
        lines = sum(path.read_bytes().count(b"\n") for each in named for path in each.rglob("*.py"))
        for _ in range(3):
            began = time.perf_counter()
            command = [sys.executable, "-m", "testkit", "doctor", *map(str, named)]
            subprocess.run(command, capture_output=True, check=False)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            print(
                f"{lines:,} lines: {time.perf_counter() - began:.2f} s,"
                f" {used.ru_maxrss // 1024} MB at most"
            )


def _written(folder: Path) -> Path:
    library = Path(sysconfig.get_paths()["stdlib"])
    (folder / "pyproject.toml").write_text("")
    (folder / "tests").mkdir()
    lines = number = 0
    while lines < _LINES:
        for path in sorted(library.glob("[a-z]*/*.py")):
            place = folder / f"copy{number}" / path.relative_to(library)
            if lines >= _LINES or "site-packages" in path.parts or "test" in path.parts:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, place)
            text = "".join(_TEST.format(n=n) for n in range(20))
            (folder / "tests" / f"test_{number}_{path.parent.name}_{path.name}").write_text(text)
            lines += path.read_bytes().count(b"\n") + text.count("\n")
        number += 1
    return folder


if __name__ == "__main__":
    main()
