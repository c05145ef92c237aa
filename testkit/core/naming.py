"""Names that nobody else draws."""

from __future__ import annotations

import hashlib
import itertools
import re
from typing import Final

__all__ = ["SPARE", "UniqueNames", "database_name", "folder_name", "spare_name"]

_IDENTIFIER_BYTES: Final = 63  # NAMEDATALEN - 1
#: A regular expression that finds the names of ``spare_name``.
SPARE: Final = "__spare[0-9]+$"
_FOLDER_LETTERS: Final = 60


class UniqueNames:
    """Draws names such as ``module-gw1-7f3a9c2e-0042``; safe to call from any thread.

    ``worker`` names the process for people, ``token`` (random, one per process) makes the name
    different from every other process, run and rerun; the number counts up within the process.
    """

    def __init__(self, *, worker: str, token: str) -> None:
        self._middle = f"{worker}-{token}"
        self._count = itertools.count(1)  # next() on it is atomic

    def __call__(self, prefix: str = "name") -> str:
        """Return a new name that starts with ``prefix``."""
        return f"{prefix}-{self._middle}-{next(self._count):04d}"


def database_name(worker: str) -> str:
    """Return the name of a worker's database: lower case letters, digits, _; at most 63 bytes.

    Two workers never have the same one: where a name could not stay as it is, two _ and a hash of
    it follow, and a name that stays never holds two.
    """
    safe = re.sub(r"[^a-z0-9]+", "_", worker.lower())
    name = f"testkit_{safe}"
    if safe == worker and len(name) <= _IDENTIFIER_BYTES:
        return name
    mark = "__" + hashlib.sha256(worker.encode(errors="surrogatepass")).hexdigest()[:16]
    return name[: _IDENTIFIER_BYTES - len(mark)] + mark


def spare_name(database: str, number: int) -> str:
    """Return the name of a database that may take the place of a worker's, or has lost it.

    No worker's own name ends so: where that holds two _, a hash follows.
    """
    name = f"{database}__spare{number}"
    if len(name) <= _IDENTIFIER_BYTES:
        return name
    mark = f"__{hashlib.sha256(database.encode()).hexdigest()[:16]}__spare{number}"
    return name[: _IDENTIFIER_BYTES - len(mark)] + mark


def folder_name(nodeid: str) -> str:
    """Return the name of a folder in which people recognise a test; no two tests have the same.

    It is short, and holds ASCII letters, digits, dots, _ and - only, whatever the test is called.
    """
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", nodeid)[-_FOLDER_LETTERS:].strip("-.")
    mark = hashlib.sha256(nodeid.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{readable}-{mark}".lstrip("-")
