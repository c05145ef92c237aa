"""How pytest was called: the project's table, its variables, this process' place in the run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from testkit.core.options import checked_table

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping

__all__ = [
    "Variables",
    "count_processes",
    "distributes",
    "fixtures_of",
    "inline_table",
    "only_looks",
    "place_in_run",
    "project_table",
    "run_has_servers",
    "seed_of",
]

_LOOKS: Final = (
    *("help", "version", "collectonly", "showfixtures", "show_fixtures_per_test", "markers"),
    *("setupplan", "cacheshow"),
)


class Variables:
    """Variables of the environment that are set for the run; None is one that is not there."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}

    def set(self, values: Mapping[str, str | None]) -> None:
        """Set or remove variables."""
        for name, value in values.items():
            self._before.setdefault(name, os.environ.get(name))
            _put(name, value)

    def restore(self) -> None:
        """Put each back as it was before the first time."""
        for name, value in self._before.items():
            _put(name, value)


def place_in_run(variable: str) -> tuple[str, str, int]:
    """Return this process' name in the run, the run's token, and the controller's pid.

    ``variable`` is that by which a controller tells the last two to its workers.

    A worker is a process that xdist named and that the controller itself started: a pytest that a
    test starts inherits the same variables, but is a run of its own.
    """
    token, _, controller = os.environ.get(variable, "").partition(":")
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and controller == str(os.getppid()):
        return worker, token, int(controller)
    return "main", os.urandom(4).hex(), os.getpid()


def seed_of(chosen: int | None, token: str) -> int:
    """Return the seed of the run: the chosen one, else nine digits at most that the token gives."""
    return int(token, 16) % 10**9 if chosen is None else chosen


def project_table(config: pytest.Config) -> Mapping[str, object] | None:
    """Return ``[tool.testkit]`` of the project, None for none. Raises pytest.UsageError."""
    file = config.rootpath / "pyproject.toml"
    if not file.is_file():
        return None
    import tomllib  # pytest itself loaded it for this file

    try:
        tool = tomllib.loads(file.read_text("utf-8")).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        raise pytest.UsageError(f"{file}: {error}") from error
    return checked_table(tool, str(file))


def inline_table(text: str) -> Mapping[str, object]:
    """Return what an inline table of TOML holds. Raises ValueError."""
    import tomllib

    value = tomllib.loads(f"value = {text}")["value"]
    if not isinstance(value, dict):
        raise ValueError("no table")  # noqa: TRY004 - as the parser does
    return value


def distributes(options: Namespace, name: str) -> bool:
    """Return whether this process hands its tests to workers of xdist."""
    return name == "main" and bool(
        getattr(options, "numprocesses", None)
        or getattr(options, "tx", None)
        or getattr(options, "dist", "no") != "no"
    )


def only_looks(options: Namespace) -> bool:
    """Return whether pytest was called to show something, and will run no test."""
    return any(getattr(options, name, False) for name in _LOOKS)


def count_processes(options: Namespace, name: str) -> int:
    """Return how many processes connect: xdist's workers and their controller, or this one."""
    count = os.environ.get("PYTEST_XDIST_WORKER_COUNT")
    if name != "main" and count:
        return int(count) + 1
    if not distributes(options, name):
        return 1
    wanted = getattr(options, "numprocesses", None)
    if not isinstance(wanted, int):
        wanted = len(getattr(options, "tx", None) or ()) or os.cpu_count() or 1
    most = getattr(options, "maxprocesses", None)
    return min(wanted, most or wanted) + 1


def run_has_servers(token: str) -> bool:
    """Return whether anybody in the run asked for a server, if only xdist's workers.

    The keepers would see to it, but only after the controller's end.
    """
    name = f"testkit-{os.geteuid()}-{token}"
    return any((Path(root) / name).is_dir() for root in {tempfile.gettempdir(), "/tmp"})  # noqa: S108


def fixtures_of(item: pytest.Item) -> Iterator[str]:
    """Yield the fixtures of testkit that the item asks for, not a user's own of such a name."""
    definitions = getattr(getattr(item, "_fixtureinfo", None), "name2fixturedefs", {})
    for name in getattr(item, "fixturenames", ()):
        if name in definitions and definitions[name][-1].func.__module__.startswith("testkit."):
            yield name


def _put(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
