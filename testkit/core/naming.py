"""Names of databases and folders, and the type of what draws unique ones."""

from __future__ import annotations

import hashlib
import re
from typing import Final, Protocol

__all__ = [
    "NUMBERED",
    "SPARE",
    "UniqueNames",
    "database_name",
    "folder_name",
    "further_name",
    "spare_name",
]

_IDENTIFIER_BYTES: Final = 63  # NAMEDATALEN - 1
#: A regular expression that finds the names of ``spare_name``.
SPARE: Final = "__spare[0-9]+$"
#: The same for the names of ``spare_name`` and ``further_name``.
NUMBERED: Final = "__(spare|another)[0-9]+$"
_FOLDER_LETTERS: Final = 60


class UniqueNames(Protocol):
    """Draws names such as ``module-gw1-7f3a9c2e-0042``; safe to call from any thread."""

    def __call__(self, prefix: str = "name") -> str:
        """Return a new name that starts with ``prefix``."""


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
    return _numbered(database, f"spare{number}")


def further_name(database: str, number: int) -> str:
    """Return the name of a database that a test has besides its worker's; no other ends so."""
    return _numbered(database, f"another{number}")


def _numbered(database: str, word: str) -> str:
    name = f"{database}__{word}"
    if len(name) <= _IDENTIFIER_BYTES:
        return name
    mark = f"__{hashlib.sha256(database.encode()).hexdigest()[:16]}__{word}"
    return name[: _IDENTIFIER_BYTES - len(mark)] + mark


def folder_name(nodeid: str) -> str:
    """Return the name of a folder in which people recognise a test; no two tests have the same.

    It is short, and holds ASCII letters, digits, dots, _ and - only, whatever the test is called.
    """
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", nodeid)[-_FOLDER_LETTERS:].strip("-.")
    mark = hashlib.sha256(nodeid.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{readable}-{mark}".lstrip("-")
