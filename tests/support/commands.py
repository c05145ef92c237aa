"""The command ``testkit`` in a process of its own, free of what the outer run has set."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TESTKIT", "called", "environment", "held_run", "servers_in"]

TESTKIT: Final = str(Path(sys.executable).with_name("testkit"))


def environment(**variables: str) -> dict[str, str]:
    """Return the environment without what testkit and pytest put into it."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("TESTKIT_", "PYTEST_", "DATABASE_URL", "REDIS_URL"))
    }
    return kept | variables


def called(
    *arguments: str, folder: Path, text: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Call ``testkit`` in a folder, with ``text`` on its standard input."""
    return subprocess.run(
        [TESTKIT, *arguments],
        cwd=folder,
        env=environment(**variables),
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextlib.contextmanager
def held_run(folder: Path, *options: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Run servers for a project in ``folder`` until the end of the block; give their owner."""
    with subprocess.Popen(
        [TESTKIT, "run", *options, "--", "/bin/sh", "-c", "echo ready; cat"],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def servers_in(folder: Path, owner: int, **variables: str) -> dict[str, dict[str, Any]]:
    """Return what ``testkit ps`` says of the servers of one owner, by their kind."""
    listed = json.loads(called("ps", "--format", "json", folder=folder, **variables).stdout)
    return {s["kind"]: s for s in listed["servers"] if s["owner_pid"] == owner}
