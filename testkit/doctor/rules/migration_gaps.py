"""TD722: a migration that follows one that is not there, or has another's id."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.project import Project, Spot, revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD722",
    "A migration follows one that is not there",
    "error",
    "Alembic reads all revisions before it does anything. A parent that no file has ends every command in KeyError; of two files with one id it takes one and warns.",
    "Bring the file back, or name the revision that the migration really follows.",
)
NEEDS: Final = ("migrations",)
BAD: Final = (
    """
    # file: migrations/versions/a1.py
    revision = "a1"
    down_revision = None
    # file: migrations/versions/c3.py
    revision = "c3"
    down_revision = "b2"  # here
    """,
    """
    # file: migrations/versions/a1.py
    revision = "a1"  # here
    down_revision = None
    # file: migrations/versions/a1_again.py
    revision = "a1"  # here
    down_revision = None
    """,
)
GOOD: Final = (
    """
    # file: migrations/versions/a1.py
    revision = "a1"
    down_revision = None
    # file: migrations/versions/b2.py
    revision = "b2"
    down_revision = "a1"
    """,
    """
    # file: core/versions/a1.py
    revision = "a1"
    down_revision = None
    # file: plugin/versions/b2.py
    revision = "b2"
    down_revision = "a1"
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each parent that no revision of the project has, and each id that two of a folder have."""
    folders = revisions(project)
    known = {told["revision"] for found in folders.values() for told in found.values()}
    for found in folders.values():
        ids = Counter(told["revision"] for told in found.values())
        for path, told in found.items():
            missing = [parent for parent in told["parents"] if not _has(known, parent)]
            if missing:
                yield Spot(path, told["parents_line"], 1, f"no file has the revision {missing[0]}")
            if ids[told["revision"]] > 1:
                yield Spot(path, told["line"], 1, f"another file is {told['revision']} as well")


def _has(known: set[str], parent: str) -> bool:
    # A part of an id is enough for Alembic, and `label@id` names a branch.
    name = parent.rpartition("@")[2]
    return any(each.startswith(name) for each in known)
