"""The example: a project that knows nothing of testkit but four lines of configuration."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.suites import Suite

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_orders"


def test_it_is_configured_by_four_lines() -> None:
    lines = (EXAMPLE / "pyproject.toml").read_text().splitlines()
    start = lines.index("[tool.testkit]")
    table = [line for line in lines[start:] if line and not line.startswith("#")]

    assert len(table) == 4


def test_its_own_files_never_name_testkit() -> None:
    sources = [*EXAMPLE.rglob("*.py")]

    assert sources
    assert [path for path in sources if "testkit" in path.read_text()] == []


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["0", "2"])
def test_its_twenty_tests_pass_in_random_order(tmp_path: Path, workers: str) -> None:
    copy = tmp_path / "an example"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    environment = Suite(tmp_path / "unused").environment()
    # As a stranger runs it: every installed plugin loads by itself.
    del environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"], environment["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", workers],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, "20 passed" in done.stdout) == (0, True), done.stdout
