"""What is to be seen of an object that a factory made, through its mapper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

from testkit.doctor.factories.trial import Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.orm import Session

__all__ = ["Flushed", "constants", "text_ids", "unwritten", "values_now", "values_of"]


class Flushed:
    """Remembers the values that objects had when they were last flushed.

    A commit expires them, and an object that is expired has none.
    """

    def __init__(self, session: Session) -> None:
        self._values: dict[int, dict[str, Any]] = {}
        self._objects: list[object] = []  # an id is that of an object that lives
        event.listen(session, "after_flush", self._note)

    def _note(self, session: Session, _context: object) -> None:
        for each in (*session.new, *session.dirty):
            self._objects.append(each)
            self._values[id(each)] = dict(values_now(each))

    def values(self, made: object) -> Mapping[str, Any]:
        """Return them by the names of attributes; nothing of an object that was not flushed."""
        return self._values.get(id(made), {})


def values_now(made: object) -> Mapping[str, Any]:
    """Return the values that are loaded; nothing of an object that has no attributes."""
    return getattr(made, "__dict__", {})


def text_ids(made: object, values: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the attributes that hold a text where the column holds a ``uuid.UUID``."""
    return tuple(
        (name, values[name])
        for name, column in _columns(made).items()
        if isinstance(column.type, sa.Uuid)
        and column.type.as_uuid
        and isinstance(values.get(name), str)
    )


def values_of(session: Session, made: object, values: Mapping[str, Any]) -> tuple[Value, ...]:
    """Read the row, and return what its columns were given beside what they hold."""
    if not _columns(made) or made not in session:
        return ()
    texts = {name for name, _ in text_ids(made, values)}
    given = {
        name: column
        for name, column in _columns(made).items()
        if values.get(name) is not None and name not in texts
    }
    if not given:
        return ()
    session.refresh(made, list(given))
    dialect = session.get_bind().dialect
    return tuple(
        Value(name, column.type.compile(dialect), values[name], getattr(made, name))
        for name, column in given.items()
    )


def constants(first: object, second: object) -> tuple[tuple[str, ...], ...]:
    """Return the columns under each unique constraint that are the same in both objects."""
    names = {column: name for name, column in _columns(first).items()}
    found = []
    for group in _unique_groups(first):
        attributes = [names.get(column) for column in group]
        known = [name for name in attributes if name is not None]
        if len(known) == len(group) and all(_equal(first, second, name) for name in known):
            found.append(tuple(known))
    return tuple(sorted(found))


def _equal(first: object, second: object, name: str) -> bool:
    one, other = values_now(first).get(name), values_now(second).get(name)
    return one is not None and not isinstance(one, sa.ClauseElement) and bool(one == other)


def _unique_groups(made: object) -> Iterator[list[sa.Column[Any]]]:
    mapper = sa.inspect(type(made), raiseerr=False)
    for table in mapper.tables if mapper is not None else ():
        for constraint in table.constraints:
            if isinstance(constraint, (sa.PrimaryKeyConstraint, sa.UniqueConstraint)):
                yield list(constraint.columns)
        for index in table.indexes:
            # One with a condition may not apply, one of an expression says nothing of a column.
            whole = index.dialect_options["postgresql"].get("where") is None
            if index.unique and whole and all(isinstance(c, sa.Column) for c in index.expressions):
                yield list(index.columns)


def unwritten(session: Session) -> tuple[str, ...]:
    """Return what is new, changed or to be deleted in the session, for people."""
    new = [f"a new {type(each).__name__}" for each in session.new]
    changed = [
        f"{type(each).__name__}.{attribute.key}"
        for each in session.dirty
        for attribute in sa.inspect(each).attrs
        if attribute.history.has_changes()
    ]
    deleted = [f"a deleted {type(each).__name__}" for each in session.deleted]
    return tuple(sorted({*new, *changed, *deleted}))


def _columns(made: object) -> dict[str, sa.Column[Any]]:
    mapper = sa.inspect(type(made), raiseerr=False)
    return {
        prop.key: prop.columns[0]
        for prop in (mapper.column_attrs if mapper is not None else ())
        if isinstance(prop.columns[0], sa.Column)
    }
