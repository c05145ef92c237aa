"""The examples: projects that know nothing of testkit but a few lines of configuration."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.suites import Suite

EXAMPLES = Path(__file__).parents[2] / "examples"
#: By folder: the lines of its table, and its tests.
FIGURES = {"fastapi_orders": (4, 20), "flask_notes": (3, 11), "sqlmodel_heroes": (3, 9)}

each_example = pytest.mark.parametrize("name", FIGURES)


def run(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the example as a stranger does: every installed plugin loads by itself."""
    copy = folder / "an example"
    shutil.copytree(EXAMPLES / name, copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    environment = Suite(folder / "unused").environment()
    del environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"], environment["PYTHONPATH"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=copy,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_example_is_missing_here() -> None:
    found = {path.parent.name for path in EXAMPLES.glob("*/pyproject.toml")}

    assert found == set(FIGURES)


@each_example
def test_it_is_configured_by_so_many_lines(name: str) -> None:
    lines = (EXAMPLES / name / "pyproject.toml").read_text().splitlines()
    start = lines.index("[tool.testkit]")
    table = [line for line in lines[start:] if line and not line.startswith("#")]

    assert len(table) == FIGURES[name][0]


@each_example
def test_its_own_files_never_name_testkit(name: str) -> None:
    sources = [*(EXAMPLES / name).rglob("*.py")]

    assert sources
    assert [path for path in sources if "testkit" in path.read_text()] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "workers"),
    [
        pytest.param(name, workers, marks=[] if once else [pytest.mark.soak])
        for name in FIGURES
        for workers, once in (("0", name != "fastapi_orders"), ("2", name == "fastapi_orders"))
    ],
)
def test_its_tests_pass_in_random_order_without_a_warning(
    name: str, tmp_path: Path, workers: str
) -> None:
    done = run(name, tmp_path, "-n", workers)
    passed = f"= {FIGURES[name][1]} passed in "

    assert (done.returncode, passed in done.stdout) == (0, True), done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param("flask_notes", marks=pytest.mark.soak), "sqlmodel_heroes"]
)
def test_its_tests_need_the_isolation(name: str, tmp_path: Path) -> None:
    done = run(name, tmp_path, "--testkit-isolation", "none")

    assert (done.returncode, " failed, " in done.stdout) == (1, True), done.stdout
