"""A project as rules read it that need more than one file: what its files say, by kind of fact."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from testkit.doctor.static.clients import clients_of
from testkit.doctor.static.commits import commits_of
from testkit.doctor.static.fixtures import fixtures_of
from testkit.doctor.static.fresh import builders_of, fresh_reads
from testkit.doctor.static.guesses import guesses_of
from testkit.doctor.static.ids import texts_given
from testkit.doctor.static.imports import imports_of
from testkit.doctor.static.migrations import created_in, migration_of
from testkit.doctor.static.models import models_of
from testkit.doctor.static.rows import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.doctor.finding import Edit
    from testkit.doctor.static.configuration import Home
    from testkit.doctor.static.migrations import Migration
    from testkit.doctor.static.module import Module

__all__ = ["FACTS", "Project", "Spot", "is_test_path", "revisions"]

#: By name what is read of each file for the rules that need it: JSON, or None for nothing.
FACTS: Final[dict[str, Callable[[Module], Any]]] = {
    "builders": builders_of,
    "clients": clients_of,
    "commits": commits_of,
    "created": created_in,
    "fixtures": fixtures_of,
    "fresh": fresh_reads,
    "guesses": guesses_of,
    "imports": imports_of,
    "migrations": migration_of,
    "models": models_of,
    "rows": rows_of,
    "texts": texts_given,
}


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a rule of a project found something, as a ``Place`` says it of a file."""

    path: str
    line: int
    column: int
    reason: str
    edits: tuple[Edit, ...] = ()
    imports: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """The files that were read below ``root``, absolute and sorted, and what they say by kind.

    ``homes`` are the projects that they belong to, deepest first; the last one is the root.
    """

    root: str
    files: tuple[str, ...]
    homes: tuple[Home, ...]
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def of(self, kind: str) -> Mapping[str, Any]:
        """Return by path what the files say of this kind; files that say nothing are missing."""
        return self.facts.get(kind, {})

    def home(self, path: str) -> Home:
        """Return the project that a file belongs to."""
        return next(
            (home for home in self.homes if path.startswith(f"{home.folder}/")), self.homes[-1]
        )

    def relative(self, path: str) -> str:
        """Return a path as it is seen from the root."""
        return path.removeprefix(f"{self.root}/")


def revisions(project: Project) -> dict[str, dict[str, Migration]]:
    """Return by folder and path the revisions of Alembic."""
    found: dict[str, dict[str, Migration]] = defaultdict(dict)
    for path, told in project.of("migrations").items():
        if told["revision"]:
            found[posixpath.dirname(path)][path] = told
    return found


def is_test_path(relative: str) -> bool:
    """Return whether a path from the root is among tests."""
    *folders, name = relative.split("/")
    return name.startswith(("test_", "conftest")) or not {"test", "tests"}.isdisjoint(folders)
