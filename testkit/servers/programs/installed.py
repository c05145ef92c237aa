"""The road ``local``: servers that are installed on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.servers.programs.binaries import (
    OLDEST_POSTGRES,
    OLDEST_REDIS,
    Binaries,
    ClosedRoadError,
)
from testkit.system.files import can_run, ordinary_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["POSTGRES_FOLDERS", "REDIS_FOLDERS", "local_postgres", "local_redis", "said_by"]

# Debian, Red Hat, Homebrew on arm64 and x86-64, Postgres.app: below each a folder for a version.
POSTGRES_FOLDERS: Final = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/usr/local/pgsql/bin",
)
REDIS_FOLDERS: Final = ("/usr/bin", "/usr/local/bin", "/usr/sbin", "/opt/homebrew/bin")
_ANSWER_SECONDS: Final = 10


def local_postgres(
    refuses: Callable[[Binaries], str | None], *, folders: Sequence[str] = POSTGRES_FOLDERS
) -> Binaries:
    """Return the newest installed Postgres that nothing speaks against; raises ClosedRoadError.

    ``refuses`` answers why a server cannot be taken, or None. It is looked for where ``pg_config``
    says, on PATH, and in the folders that match.
    """
    return _newest(
        _postgres_folders(folders),
        ("postgres",),
        oldest=OLDEST_POSTGRES,
        beside=("initdb",),
        refuses=refuses,
        opens="apt-get install postgresql (Debian), brew install postgresql (macOS)",
    )


def local_redis(
    refuses: Callable[[Binaries], str | None], *, folders: Sequence[str] = REDIS_FOLDERS
) -> Binaries:
    """Return the newest installed Valkey or Redis; raises ClosedRoadError."""
    return _newest(
        [*_folders_of_path(), *map(Path, folders)],
        ("valkey-server", "redis-server"),
        oldest=OLDEST_REDIS,
        beside=(),
        refuses=refuses,
        opens="apt-get install redis-server (Debian 12), brew install valkey (macOS)",
    )


def _postgres_folders(patterns: Sequence[str]) -> Iterator[Path]:
    # What the user's own PATH names comes first; of equal versions the first is taken.
    program = shutil.which("pg_config")
    if program is not None and (folder := said_by(program, "--bindir")):
        yield Path(folder)
    yield from _folders_of_path()
    for pattern in patterns:
        yield from sorted(Path("/").glob(pattern.lstrip("/")))


def _folders_of_path() -> list[Path]:
    return [Path(part) for part in os.get_exec_path() if Path(part).is_absolute()]


def _newest(
    folders: Iterable[Path],
    programs: tuple[str, ...],
    *,
    oldest: int,
    beside: tuple[str, ...],
    refuses: Callable[[Binaries], str | None],
    opens: str,
) -> Binaries:
    found, reasons = [], []
    for folder in dict.fromkeys(os.path.realpath(folder) for folder in folders):
        # os.path answers False also for what we may not look at.
        program = next((p for p in programs if os.path.isfile(f"{folder}/{p}")), None)  # noqa: PTH113
        if program is None:
            continue
        missing = [name for name in beside if not os.access(f"{folder}/{name}", os.X_OK)]
        binaries = _asked(Path(folder), program)
        if missing:
            reason: str | None = f"{folder} has no {missing[0]} that can be run"
        elif isinstance(binaries, str):
            reason = binaries
        elif binaries.major < oldest:
            reason = f"{folder}/{program} is {binaries.version}, older than {oldest}"
        else:
            reason = refuses(binaries)
        if reason is None:
            assert isinstance(binaries, Binaries)
            found.append(binaries)
        else:
            reasons.append(reason)
    if not found:
        raise ClosedRoadError(
            "; ".join(reasons) or f"no {' or '.join(programs)} is installed", opens
        )
    return max(found, key=_number)


def _asked(folder: Path, program: str) -> Binaries | str:
    """Return what the program says of itself, or why it cannot be used."""
    path = folder / program
    if ordinary_user() is not None and not can_run(path):
        return f"{path} cannot be run by the user nobody, whom root's servers run as"
    words = said_by(str(path), "--version")
    version = re.search(r"(?:v=|\) )(\d+(?:\.\d+)*)", words)
    if version is None:
        return f"{path} does not say its version"
    product = {"postgres": "PostgreSQL", "valkey-server": "Valkey", "redis-server": "Redis"}[
        program
    ]
    # Valkey installs a program of the other name too.
    if product == "Redis" and words.startswith("Valkey"):
        product = "Valkey"
    return Binaries(folder, program, product, version[1], "local", str(path))


def said_by(*command: str) -> str:
    """Return what a program prints, without blanks around it; nothing where it fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=_ANSWER_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _number(binaries: Binaries) -> tuple[int, ...]:
    return tuple(map(int, binaries.version.split(".")))
