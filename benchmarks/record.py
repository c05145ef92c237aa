"""What the record of a run costs a green run.

    python benchmarks/record.py [--rounds 9] [--tests 1433] [--workers 0]

Whole processes, interleaved, with and without `--testkit-record`: tests that do nothing, and tests
that each take a millisecond of the processor.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from measure import machine

_ROOT: Final = Path(__file__).parents[1]
_SUITES: Final = {
    "tests that do nothing": "def test_it(number): pass",
    "tests of 1 ms": "def test_it(number): sorted(range(12000, 0, -1), key=lambda n: -n % 97)",
}
_WAYS: Final = ("false", "true")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tests", type=int, default=1433)
    parser.add_argument("--workers", default="0")
    arguments = parser.parse_args()
    print(machine())
    print("| suite | without, s | with, s | median of the pairs | a test |")
    print("|---|---|---|---|---|")
    for name, test in _SUITES.items():
        with tempfile.TemporaryDirectory() as folder:
            suite = Path(folder)
            head = "import pytest\n"
            mark = f'@pytest.mark.parametrize("number", range({arguments.tests}))\n'
            (suite / "test_it.py").write_text(f"{head}{mark}{test}\n")
            times: dict[str, list[float]] = {way: [] for way in _WAYS}
            for number in range(arguments.rounds + 1):
                for way in _WAYS:
                    began = time.perf_counter()
                    _run(suite, way, arguments.workers)
                    if number:
                        times[way].append(time.perf_counter() - began)
        without, recorded = times["false"], times["true"]
        more = [b / a - 1 for a, b in zip(without, recorded, strict=True)]
        spent = statistics.median(b - a for a, b in zip(without, recorded, strict=True))
        print(
            f"| {name} | {statistics.median(without):.2f} | {statistics.median(recorded):.2f} "
            f"| {statistics.median(more):+.1%} | {spent / arguments.tests * 1e6:.0f} us |"
        )


def _run(suite: Path, way: str, workers: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "testkit.pytest_plugin.hooks"]
    command += ["-p", "xdist.plugin", "-p", "no:cacheprovider", "-n", workers]
    subprocess.run(
        [*command, f"--testkit-record={way}"],
        cwd=suite,
        env=os.environ | {"PYTHONPATH": str(_ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )


if __name__ == "__main__":
    main()
