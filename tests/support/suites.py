"""Running pytest on a small suite in a process of its own, with the outcome as data."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar, Final

__all__ = ["WITHOUT", "Outcome", "RecordedSuite", "Suite"]

_ROOT = Path(__file__).parents[2]
#: A sitecustomize.py that makes a module look as if it were not installed, in the user's own environment.
WITHOUT = """
    import sys
    from importlib.machinery import PathFinder

    class Hiding:
        find_distributions = PathFinder.find_distributions
        invalidate_caches = PathFinder.invalidate_caches

        @staticmethod
        def find_spec(name, path=None, target=None):
            hidden = name.partition(".")[0] == "{module}"
            return None if hidden else PathFinder.find_spec(name, path, target)

    sys.meta_path[:] = [Hiding if f is PathFinder else f for f in sys.meta_path]
"""
_PLUGINS = (
    "testkit.pytest_plugin.hooks",
    "xdist.plugin",
    "pytest_asyncio.plugin",
)
# A fifth of a second in each process: for the suites that name it.
_ANYIO: Final = "anyio.pytest_plugin"


@dataclass(frozen=True)
class Outcome:
    """What a run came to: the exit code, the text, and a word for each test."""

    code: int
    text: str
    tests: dict[str, str]
    messages: str

    def check(self, *, code: int = 0, **expected: int) -> None:
        """Assert the exit code and how many tests passed, failed, error or skipped."""
        counts = {word: list(self.tests.values()).count(word) for word in {*self.tests.values()}}

        assert (self.code, counts) == (code, expected), self.text


class Suite:
    """A folder with a pyproject.toml and tests; ``run`` runs pytest there.

    Only the plugins that testkit works beside are loaded, and nothing of the outer run's
    environment is inherited that testkit reads.
    """

    records: ClassVar[bool] = False

    def __init__(self, folder: Path, **files: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.write("pyproject.toml", "")
        self.write("pytest.ini", "[pytest]\n")
        for name, text in files.items():
            self.write(name.replace("__", "/") + ".py", text)

    def write(self, name: str, text: str) -> None:
        """Write one file of the suite, its text dedented."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def configure(self, text: str) -> None:
        """Write ``[tool.testkit]``."""
        self.write("pyproject.toml", "[tool.testkit]\n" + textwrap.dedent(text))

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of pytest."""
        names = (*_PLUGINS, _ANYIO) if self._names_anyio() else _PLUGINS
        if not self.records:
            # A record of each run takes a tenth of a second that these tests have no use for.
            names = (*names, "no:testkit-recording")
        plugins = [part for name in names for part in ("-p", name)]
        return [sys.executable, "-m", "pytest", *plugins, "-p", "no:cacheprovider", *arguments]

    def _names_anyio(self) -> bool:
        files = (path for path in self.folder.rglob("*") if path.suffix in {".py", ".ini", ".toml"})
        return any("anyio" in path.read_text(errors="replace") for path in files)

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment of the run."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("TESTKIT_", "PYTEST_", "DATABASE_URL", "REDIS_URL", "COS_"))
        }
        path = os.pathsep.join([str(self.folder), str(_ROOT)])
        return kept | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path} | variables

    def start(
        self,
        *arguments: str,
        output: IO[bytes] | None = None,
        new_session: bool = False,
        **variables: str,
    ) -> subprocess.Popen[bytes]:
        """Start pytest and answer its process; without ``output`` what it says is thrown away.

        In a new session the process and all that it starts can be killed as one group.
        """
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**variables),
            stdout=output or subprocess.DEVNULL,
            stderr=output or subprocess.DEVNULL,
            start_new_session=new_session,
            # A background job of a shell ignores SIGINT, and so would everything that it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )

    def run(self, *arguments: str, timeout: float = 60, **variables: str) -> Outcome:
        """Run pytest to its end."""
        report = self.folder / "report.xml"
        report.unlink(missing_ok=True)
        done = subprocess.run(
            self.command(f"--junitxml={report}", *arguments),
            cwd=self.folder,
            env=self.environment(**variables),
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
        )
        tests, messages = _read(report) if report.exists() else ({}, "")
        return Outcome(done.returncode, done.stdout + done.stderr, tests, messages)


class RecordedSuite(Suite):
    """A suite whose runs leave records, where its configuration wants them."""

    records = True


def _read(report: Path) -> tuple[dict[str, str], str]:
    tests: dict[str, str] = {}
    messages = []
    for case in ET.parse(report).iter("testcase"):
        word = "passed"
        for kind in ("failure", "error", "skipped"):
            for found in case.findall(kind):
                word = {"failure": "failed"}.get(kind, kind)
                messages.append(f"{found.get('message')}\n{found.text}")
        name = f"{case.get('classname')}::{case.get('name')}"
        tests[name] = word if tests.get(name, "passed") == "passed" else tests[name]
    return tests, "\n".join(messages)
