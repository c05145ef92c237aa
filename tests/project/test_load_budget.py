"""What the plugin costs a project that uses none of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

import testkit

MOST_MODULES: Final = 12
# Written by the suite's own conftest in the last hook that pytest calls.
CONFTEST: Final = """
import json, pathlib, subprocess, sys

started = []
sys.addaudithook(lambda event, args: started.append(event)
                 if event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.mkdir",
                              "socket.bind", "socket.connect", "tempfile.mkdtemp") else None)

def pytest_unconfigure(config):
    facts = {"modules": sorted(sys.modules), "events": started}
    pathlib.Path("facts.json").write_text(json.dumps(facts))
"""


def facts_of(folder: Path, *options: str) -> dict[str, list[str]]:
    """Run an empty project's one test; answer its modules and what it did to the machine."""
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text("def test_it(): pass\n")
    (folder / "cache").mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TESTKIT_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env=kept
        | {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(Path(testkit.__file__).parents[1]),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "TMPDIR": str(folder / "cache"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert list((folder / "cache").iterdir()) == []
    facts: dict[str, list[str]] = json.loads((folder / "facts.json").read_text())
    return facts


# Each costs two runs of pytest.
BESIDE: Final = [
    (),
    *(
        pytest.param((name,), marks=pytest.mark.slow)
        for name in ("pytest_asyncio.plugin", "xdist.plugin")
    ),
]


@pytest.fixture(scope="module", params=BESIDE)
def facts(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> tuple[dict[str, list[str]], ...]:
    """The facts of a run without the plugin and of one with it, both beside the same others."""
    root = tmp_path_factory.mktemp("budget")
    others = [part for name in request.param for part in ("-p", name)]
    return (
        facts_of(root / "without", *others),
        facts_of(root / "with", *others, "-p", "testkit.pytest_plugin.hooks"),
    )


def test_the_plugin_adds_twelve_modules_at_most_and_all_are_ours(
    facts: tuple[dict[str, list[str]], ...],
) -> None:
    without, with_plugin = (set(found["modules"]) for found in facts)
    added = with_plugin - without

    assert "testkit.pytest_plugin.hooks" in added
    assert [name for name in sorted(added) if name.partition(".")[0] != "testkit"] == []
    assert len(added) <= MOST_MODULES, sorted(added)
    assert [name for name in sorted(added) if "draw" in name] == []  # nothing was drawn


def test_the_plugin_starts_no_process_binds_no_port_and_makes_no_directory(
    facts: tuple[dict[str, list[str]], ...],
) -> None:
    without, with_plugin = (found["events"] for found in facts)

    assert with_plugin == without


def test_the_command_line_is_light_too() -> None:
    script = (
        "import sys, testkit.cli; print([m for m in ('psycopg', 'redis', 'sqlalchemy', 'alembic',"
        " 'pytest', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=tempfile.gettempdir(),
    )

    assert done.stdout == "[]\n"
