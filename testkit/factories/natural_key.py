"""A row by its natural key, or a new one, without rolling back what the caller did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from factory.declarations import BaseDeclaration
from sqlalchemy.exc import IntegrityError

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy.orm import Session

__all__ = ["find", "inserted_or_found", "natural_key"]


def natural_key(factory: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of the key, and their values among the fields. Raises TK408."""
    meta = factory._meta  # noqa: SLF001 - factory-boy's
    named = tuple(meta.sqlalchemy_get_or_create)
    groups = [named] if named else [sorted(group) for group in meta.shape.keys]
    by_relation = {link.name: link.pairs for link in meta.shape.parents if link.name in fields}
    known = {**meta.base_declarations, **fields}
    for name, pairs in by_relation.items():
        for local, remote in pairs:
            known.setdefault(local, getattr(fields[name], remote, None))
    for group in groups:
        given = [known.get(name) for name in group]
        drawn = any(isinstance(each, BaseDeclaration) for each in given)
        all_there = named and set(group) <= set(known)  # then null is a value, too
        if group and not drawn and (all_there or None not in given):
            return {name: known[name] for name in group}
    raise TestkitError(
        "TK408",
        factory=factory.__name__,
        given=", ".join(fields) or "nothing",
        keys="; ".join(", ".join(group) for group in groups) or "none",
    )


def find(session: Session, factory: Any, key: Mapping[str, Any]) -> Any:
    """Return the row with this key, or None."""
    model = factory._meta.model  # noqa: SLF001 - factory-boy's
    return session.scalars(sa.select(model).filter_by(**key)).one_or_none()


def inserted_or_found(
    session: Session, factory: Any, key: Mapping[str, Any], insert: Callable[[], Any]
) -> Any:
    """Insert within a savepoint; where another was quicker, undo that and return theirs."""
    session.flush()  # what fails of the caller's own is not ours to judge
    try:
        with session.begin_nested():
            made = insert()
            session.flush()
    except IntegrityError:
        found = find(session, factory, key)
        if found is None:
            raise
        return found
    return made
