"""Many rows by one statement."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from factory.declarations import SKIP, SubFactory
from factory.enums import get_builder_phase

from testkit.factories.building import Builder, building
from testkit.factories.chance import random_for
from testkit.factories.construct import check_uuids
from testkit.factories.declarations import Cycled, Default, Drawn, Parent, ParentKey, Plain
from testkit.factories.drawing import draws_now
from testkit.factories.registry import default_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from testkit.factories.shape import ParentLink

__all__ = ["insert_rows"]


def insert_rows(factory: Any, session: Session, size: int, fields: dict[str, Any]) -> list[Any]:
    """Insert the rows, and return their keys in order; nothing is committed."""
    if size < 1:
        return []
    meta = factory._meta  # noqa: SLF001 - factory-boy's place for options
    rows = _rows(meta, session, size, fields)
    names = {each.column: name for name, each in meta.shape.attributes.items()}
    primary = [names[column] for column in sa.inspect(meta.model).primary_key if column in names]
    if all(name in rows[0] for name in primary):
        session.execute(sa.insert(meta.model), rows)
        keys = [tuple(row[name] for name in primary) for row in rows]
    else:
        columns = [getattr(meta.model, name) for name in primary]
        statement = sa.insert(meta.model).returning(*columns, sort_by_parameter_order=True)
        keys = [tuple(row) for row in session.execute(statement, rows)]
    return keys if len(primary) != 1 else [key[0] for key in keys]


def _rows(meta: Any, session: Session, size: int, fields: dict[str, Any]) -> list[dict[str, Any]]:
    of_parents = [
        keys
        for link in meta.shape.parents
        for keys in _keys_of_parents(meta, link, session, size, fields)
    ]
    quick = _quick_columns(meta, fields)
    if quick is not None:
        constants, makers = quick
        rows = [{**constants, **{name: make() for name, make in makers}} for _ in range(size)]
    else:
        rows = [_row(meta, fields) for _ in range(size)]
    for keys in of_parents:
        for row, of_row in zip(rows, keys, strict=True):
            row.update(of_row)
    return rows


def _row(meta: Any, fields: dict[str, Any]) -> dict[str, Any]:
    with building(payload=True):  # no parents
        found = vars(Builder(meta, dict(fields), "stub").build())  # type: ignore[no-untyped-call]
    return {name: value for name, value in found.items() if name in meta.shape.attributes}


def _quick_columns(
    meta: Any, fields: dict[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]]] | None:
    """Return constants and makers where each column is made without a look at the others."""
    shape = meta.shape
    if meta.rename or meta.exclude or meta.inline_args or not _all_columns(meta, fields):
        return None
    constants: dict[str, Any] = dict(fields)
    makers: list[tuple[str, Callable[[], Any]]] = []
    for name, each in meta.pre_declarations.declarations.items():
        if name in fields or isinstance(each, (Parent, ParentKey)):
            continue
        if isinstance(each, Plain):
            makers.append((name, partial(each.make, random_for(each.model))))
        elif isinstance(each, Drawn):
            makers.append((name, partial(each.make, draws_now())))
        elif isinstance(each, (Cycled, Default)) and not getattr(each, "looks_at_others", False):
            makers.append((name, partial(each.value, None, None)))
        elif get_builder_phase(each) is None and name in shape.attributes:
            constants[name] = each
        else:
            return None
    check_uuids(meta.factory.__name__, constants, meta.uuids)
    return {name: value for name, value in constants.items() if name in shape.attributes}, makers


def _all_columns(meta: Any, fields: dict[str, Any]) -> bool:
    links = {link.name for link in meta.shape.parents}
    return all(
        get_builder_phase(value) is None and (name in meta.shape.attributes or name in links)
        for name, value in fields.items()
    )


def _keys_of_parents(
    meta: Any, link: ParentLink, session: Session, size: int, fields: dict[str, Any]
) -> list[list[dict[str, Any]]]:
    """Return the foreign keys of each row, once or not at all."""
    locals_ = [local for local, _ in link.pairs]
    if link.name in fields:
        return [[_key(link, fields[link.name])] * size]
    if any(local in fields for local in locals_):
        return []
    declaration = meta.pre_declarations.declarations.get(link.name or locals_[0])
    making = _parent_factory(declaration)
    if making is None:
        return []
    extra = {} if link.name is None else _deep(fields, link.name)
    extra = {**getattr(declaration, "_defaults", {}), **extra}
    found = None if extra else default_of(link.target)
    if found is not None:
        return [[_key(link, found)] * size]
    alone = any(group <= set(locals_) for group in meta.shape.uniques)
    with building(writing="together"):
        parents: Sequence[Any] = making.create_batch(size if alone else 1, **extra)
        session.flush()
    keys = [_key(link, parent) for parent in parents]
    return [keys if alone else keys * size]


def _parent_factory(declaration: Any) -> Any:
    if isinstance(declaration, ParentKey):
        declaration = declaration.parent
    if isinstance(declaration, Parent):
        return declaration.factory
    return declaration.get_factory() if isinstance(declaration, SubFactory) else None


def _deep(fields: dict[str, Any], name: str) -> dict[str, Any]:
    start = f"{name}__"
    return {key.removeprefix(start): each for key, each in fields.items() if key.startswith(start)}


def _key(link: ParentLink, parent: Any) -> dict[str, Any]:
    if parent is None or parent is SKIP:
        return dict.fromkeys([local for local, _ in link.pairs])
    return {local: getattr(parent, remote) for local, remote in link.pairs}
