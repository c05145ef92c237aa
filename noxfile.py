"""The sessions that every developer, and CI, runs: see CONTRIBUTING.md for when to use which.

All of them share one virtual environment, made once per Python version by the session
`pyXY` and filled again only when what it was filled from has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shlex
import sys
import time
from pathlib import Path

import nox

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "uv|venv"
nox.options.reuse_venv = "always"
nox.options.sessions = ["fast"]
# Without it nox keeps an environment whose interpreter is another one than that which runs nox.
os.environ.setdefault("NOX_ENABLE_STALENESS_CHECK", "1")

NOXFILE_READ = time.monotonic()
ROOT = Path(__file__).resolve().parent
ENVIRONMENT = f"py{sys.version_info.major}{sys.version_info.minor}"
INPUTS = ("pyproject.toml", "constraints.txt")
TYPED = ("cos", "testkit", "tests", "noxfile.py", "conftest.py", "benchmarks")
MOST_WORKERS = 8  # past that the workers wait for the one Postgres server that they share
# nox itself waits 0.3 s after Ctrl-C, then kills: too short for pytest to end its servers.
SECONDS_TO_END = 20.0


@nox.session(name=ENVIRONMENT, default=False)
def environment(session: nox.Session) -> None:
    """Install the package, its extras and its groups, unless nothing changed since last time."""
    stamp = Path(session.virtualenv.location) / "installed-from"
    wanted = f"{_inputs_hash()} {ROOT}"
    found = stamp.read_text() if stamp.exists() else None
    if found == wanted:
        return
    session.log("installing: about a minute the first time, nothing after that")
    stamp.unlink(missing_ok=True)
    groups = nox.project.dependency_groups(nox.project.load_toml(), "service", "dev")
    pip = ("uv", "pip") if session.venv_backend == "uv" else ("python", "-m", "pip")
    # Scripts in a checkout that was moved or copied still start the interpreter of the old place.
    moved = ("--force-reinstall",) if found and not found.endswith(f" {ROOT}") else ()
    arguments = ("-e", ".[all]", *groups, "-c", "constraints.txt", *moved)
    # pip compiles what it installs, uv only if told: else each run of pytest starts seconds later
    # where the environment has PYTHONDONTWRITEBYTECODE.
    compiled = {"UV_COMPILE_BYTECODE": "1"}
    # None: nox was told not to install (-R), so what is installed stays unknown.
    if session.run_install(*pip, "install", *arguments, env=compiled, silent=True) is not None:
        stamp.write_text(wanted)


@nox.session(python=False, requires=[ENVIRONMENT])
def fast(session: nox.Session) -> None:
    """Run the tests that every change runs: no Docker, no network, no root."""
    _pytest(session, "not slow and not soak")


@nox.session(python=False, requires=[ENVIRONMENT], default=False)
def slow(session: nox.Session) -> None:
    """Run the tests marked slow: kills, crashes, whole runs in subprocesses."""
    # What takes longest is told: the session has ten minutes.
    _pytest(session, "slow and not soak", "--durations=25")


@nox.session(python=False, requires=[ENVIRONMENT], default=False)
def soak(session: nox.Session) -> None:
    """Run the tests marked soak: minutes to hours, at night."""
    _pytest(session, "soak")


@nox.session(python=False, requires=[ENVIRONMENT], default=False)
def lint(session: nox.Session) -> None:
    """Check style, format, types and layers."""
    _run(session, "python", "-m", "ruff", "check")
    _run(session, "python", "-m", "ruff", "format", "--check")
    _run(session, "python", "-m", "mypy", "--strict", "--explicit-package-bases", *TYPED)
    _run(session, "lint-imports", "--no-logo")
    _run(session, "testkit", "doctor")


@nox.session(python=False, requires=[ENVIRONMENT], default=False)
def demo(session: nox.Session) -> None:
    """Show the board with example modules that live; arguments go to `python -m cos demo`."""
    _run(session, "testkit", "run", "--", "python", "-m", "cos", "demo", *session.posargs)


@nox.session(python=False, requires=[ENVIRONMENT], default=False)
def serve(session: nox.Session) -> None:
    """Start the control center on embedded servers; arguments go to `python -m cos serve`."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", default="8000")
    address, _ = options.parse_known_args(session.posargs)
    url = f"http://{address.host}:{address.port}/cc/modules"
    body = shlex.quote('{"name": "studio", "version": "1.0.0"}')
    session.log("once it listens, in another terminal:")
    print(f"\n    curl -i {url} -H 'Content-Type: application/json' -d {body}\n", flush=True)  # noqa: T201 - bare, to be copied
    _run(session, "testkit", "run", "--", "python", "-m", "cos", "serve", *session.posargs)


def _pytest(session: nox.Session, markers: str, *options: str) -> None:
    """Start pytest on the tests that `markers` selects; positional arguments come last and win."""
    workers = str(min(_usable_cores(), MOST_WORKERS))
    arguments = ("-m", markers, "-n", workers, *options, *session.posargs)
    session.log(f"pytest starts {time.monotonic() - NOXFILE_READ:.1f} s after nox read its file")
    _run(session, "python", "-m", "pytest", *arguments)


def _run(session: nox.Session, *command: str) -> None:
    """Run a program of the shared environment as if that environment were activated."""
    folder = session.cache_dir.parent.absolute() / ENVIRONMENT
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    program = str(programs / command[0])
    activated = {
        "VIRTUAL_ENV": str(folder),
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
        # Either would let another copy of the packages, or another library, come first.
        "PYTHONPATH": None,
        "PYTHONHOME": None,
        # It would make every process of a run compile our modules anew.
        "PYTHONDONTWRITEBYTECODE": None,
    }
    session.run(
        program,
        *command[1:],
        env=activated,
        interrupt_timeout=SECONDS_TO_END,
        terminate_timeout=SECONDS_TO_END,
    )


def _usable_cores() -> int:
    """Count the cores that this process may run on, which in a container can be fewer than all."""
    affinity = getattr(os, "sched_getaffinity", None)  # macOS has none
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _inputs_hash() -> str:
    """Name the state that an installation depends on: the files, and the interpreter."""
    digest = hashlib.sha256(f"{sys.version} {sys.base_prefix}".encode())
    for name in INPUTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()
