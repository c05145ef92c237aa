"""Statements in groups, the most frequent first, and what to write instead of an N+1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testkit.isolation.queries.normal_form import normalised, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testkit.isolation.queries.facts import Statement
    from testkit.system.calling_site import CallingSite

__all__ = ["Group", "groups_of", "listed", "repeated"]

_MOST_GROUPS: Final = 10
_MOST_CHARACTERS: Final = 240  # of a statement


@dataclass(frozen=True, slots=True)
class Group:
    """Statements that are the same but for their values, sent from one place."""

    sql: str
    origin: CallingSite | None
    statements: tuple[Statement, ...]

    @property
    def seconds(self) -> float:
        """How long they took together."""
        return sum(statement.seconds or 0.0 for statement in self.statements)

    @property
    def variants(self) -> int:
        """How many of them differ in their parameters; those for many rows at once are left out."""
        return len({s.variant for s in self.statements if not s.executemany})


def groups_of(statements: Iterable[Statement]) -> list[Group]:
    """Return the groups, the most frequent first; as many of each in the order of their first."""
    found: dict[tuple[str, CallingSite | None], list[Statement]] = {}
    for statement in statements:
        found.setdefault((normalised(statement.statement), statement.origin), []).append(statement)
    groups = [Group(sql, origin, tuple(members)) for (sql, origin), members in found.items()]
    return sorted(groups, key=lambda group: -len(group.statements))


def repeated(groups: Iterable[Group], *, most: int) -> list[Group]:
    """Return the groups with more than ``most`` statements that differ in their parameters."""
    return [group for group in groups if group.variants > most]


def listed(groups: Sequence[Group], *, most: int) -> str:
    """Return the groups as lines; those that ``repeated`` returns say what to write instead."""
    if not groups:
        return "none (of SQLAlchemy, for this database)"
    lines = [line for group in groups[:_MOST_GROUPS] for line in _lines(group, most)]
    left = groups[_MOST_GROUPS:]
    if left:
        count = sum(len(group.statements) for group in left)
        lines.append(f"… and {count} more, of {len(left)} kinds or places")
    return "\n".join(lines)


def _lines(group: Group, most: int) -> list[str]:
    first, count = group.statements[0], len(group.statements)
    failed = sum(statement.seconds is None for statement in group.statements)
    head = f"{count} time{'s' * (count != 1)}, {1000 * group.seconds:.1f} ms"
    if first.executemany:
        head += ", for many rows each"
    if failed:
        head += f", {failed} failed or still running"
    lines = [
        f"{head}: {shortened(group.sql, _MOST_CHARACTERS)}",
        f"    {group.origin or 'no code of yours in this thread'}",
    ]
    if first.parameters not in ("", "{}", "()"):
        lines.append(f"    {'first ' * (count != 1)}with {first.parameters}")
    if group.variants > most:
        lines.append(f"    N+1: {_instead(group)}")
    return lines


def _instead(group: Group) -> str:
    loaded = next((s.lazy_load for s in group.statements if s.lazy_load is not None), None)
    if loaded is None:
        return "sent in a loop; send one for all (WHERE … IN, a join, or a list of parameters)"
    if loaded.attribute is None:
        return (
            f"columns of {loaded.owner} were loaded object by object. After a commit they are"
            " expired: Session(expire_on_commit=False); if they are deferred: undefer(…)"
        )
    name = f"{loaded.owner}.{loaded.attribute}"
    return f"{name} was loaded lazily; load {loaded.owner} with .options(selectinload({name}))"
