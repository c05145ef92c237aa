"""TD721: migrations that end in more than one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.project import Project, Spot, revisions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD721",
    "Migrations have several heads",
    "error",
    "Two revisions that nobody follows, as two branches leave them that were merged: `alembic upgrade head` refuses to choose, in production and in each test "
    "run that builds its schema from migrations.",
    "Join them: alembic merge heads. Or let one follow the other, where neither has run anywhere yet.",
)
NEEDS: Final = ("migrations",)
BAD: Final = (
    """
    # file: migrations/versions/a1.py
    revision = "a1"
    down_revision = None
    # file: migrations/versions/b2.py
    revision = "b2"  # here
    down_revision = "a1"
    # file: migrations/versions/c3.py
    revision: str = "c3"  # here
    down_revision: str | None = "a1"
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
    # file: migrations/versions/c3.py
    revision = "c3"
    down_revision = "a1"
    # file: migrations/versions/d4.py
    revision = "d4"
    down_revision = ("b2", "c3")
    # file: other/versions/z9.py
    revision = "z9"
    down_revision = None
    """,
    """
    # file: migrations/versions/a1.py
    revision = "a1"
    down_revision = None
    branch_labels = ("core",)
    # file: migrations/versions/b2.py
    revision = "b2"
    down_revision = None
    branch_labels = ("plugin",)
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each head of a folder that has more than one; labelled branches are meant."""
    for found in revisions(project).values():
        if any(told["branches"] for told in found.values()):
            continue
        followed = {parent for told in found.values() for parent in told["parents"]}
        heads = {path: told for path, told in found.items() if told["revision"] not in followed}
        if len(heads) > 1:
            for path, told in heads.items():
                others = sorted(each["revision"] for each in heads.values() if each is not told)
                reason = f"{told['revision']} is a head, and so is {', '.join(others[:3])}"
                yield Spot(path, told["line"], 1, reason)
