"""``python -m cos``: commands that end in this process, servers in one of their own."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from cos.cli import main

ROOT = Path(__file__).parents[2]


@dataclass(slots=True)
class Served:
    """A running control center; ``log`` is whole once it was stopped."""

    process: subprocess.Popen[str]
    url: str
    log: str = ""

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and document."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path,
            data,
            {"Content-Type": "application/json", **headers},
            method=method,
        )
        try:
            answer = urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            found = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, found, json.loads(text) if text else None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(number)
        self.log += self.process.communicate(timeout=20)[1]
        return self.process.returncode


def run(*arguments: str, **environment: str | None) -> Result:
    """Run a command that ends by itself, in this process; None takes a variable away."""
    return CliRunner().invoke(main, arguments, env=environment, prog_name="python -m cos")


def environment_with(changes: dict[str, str | None]) -> dict[str, str]:
    """Return the environment for a process of its own; None takes a variable away."""
    changed = {**os.environ, **changes}
    return {name: value for name, value in changed.items() if value is not None}


@contextmanager
def serving(*arguments: str, command: str = "serve", **environment: str | None) -> Iterator[Served]:
    """Run ``serve`` or ``demo`` on a free port; killed at the end, if it was not stopped."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cos", command, "--port", "0", *arguments],
        cwd=ROOT,
        env=environment_with(environment),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            # The sockets listen before this line is printed: no need to try again and again.
            first = process.stderr.readline()
            found = re.search(r"Serving (http://\S+)/cc \(([^)]*)\)", first)
            assert found is not None, first + process.stderr.read()
            yield Served(process, found[1], first)
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()
