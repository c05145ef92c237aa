"""A run that commands can look at from outside."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import held_run

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class HeldRun:
    """A ``testkit run`` that waits: the project that it was called in, and its pid."""

    project: Path
    pid: int


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldRun]:
    """A run with both servers, in a project of its own, for the tests of one file."""
    project = tmp_path_factory.mktemp("held")
    (project / "pyproject.toml").write_text("[tool.testkit]\n")
    with held_run(project) as process:
        yield HeldRun(project, process.pid)


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A directory for temporary files of this test's own, which the servers' user can reach."""
    folder = Path(tempfile.mkdtemp(prefix="testkit-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
