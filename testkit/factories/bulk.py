"""Many rows by one statement."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from factory.declarations import SKIP, Maybe, SelfAttribute, SubFactory

from testkit.factories.building import Builder, without_hooks
from testkit.factories.chance import random_for
from testkit.factories.construct import check_parents, check_uuids, is_pending, key_of
from testkit.factories.declarations import Default, Drawn, Plain
from testkit.factories.looking import parents_look_outward
from testkit.factories.parents import Parent, ParentKey
from testkit.factories.registry import default_of
from testkit.factories.sessions import own_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from testkit.factories.shape import ParentLink

__all__ = ["insert_rows"]


def insert_rows(factory: Any, session: Session, size: int, fields: dict[str, Any]) -> list[Any]:
    """Insert the rows, and return their keys in order; nothing is committed."""
    if size < 1:
        return []
    meta = factory._meta  # noqa: SLF001 - factory-boy's place for options
    check_parents(factory.__name__, fields, meta.shape.parents)
    if parents_look_outward(meta):
        return [_flat(key_of(made)) for made in factory.create_batch(size, **fields)]
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
    return [_flat(key) for key in keys]


def _flat(key: tuple[Any, ...]) -> Any:
    return key[0] if len(key) == 1 else key


def _rows(meta: Any, session: Session, size: int, fields: dict[str, Any]) -> list[dict[str, Any]]:
    parents = _Parents(meta, session, size, fields)
    quick = _quick_columns(meta, fields)
    if quick is not None:
        constants, makers = quick
        rows = [{**constants, **{name: make() for name, make in makers}} for _ in range(size)]
    else:
        rows = [_row(meta, {**fields, **each}) for each in parents.objects_and_keys()]
    for row, keys in zip(rows, parents.keys, strict=True):
        row.update(keys)
    return rows


def _row(meta: Any, fields: dict[str, Any]) -> dict[str, Any]:
    with without_hooks():
        values = vars(Builder(meta, dict(fields), "stub").build())  # type: ignore[no-untyped-call]  # factory-boy's
    columns, links = meta.shape.attributes, {link.name for link in meta.shape.parents}
    found = {name: value for name, value in values.items() if name in columns}
    if values.keys() - columns - links:
        # Hybrids and synonyms have their say, by an object that has no parents to draw it along.
        plain = {name: value for name, value in values.items() if name not in links}
        made = vars(meta.construct((), plain))
        found = {name: value for name, value in made.items() if name in columns}
    for link in meta.shape.parents:
        parent = values.get(link.name)
        if parent is not None:  # of a lazy declaration: each row its own
            found.update(_key(link, parent))
    return found


def _quick_columns(
    meta: Any, fields: dict[str, Any]
) -> tuple[dict[str, Any], list[tuple[str, Callable[[], Any]]]] | None:
    """Return constants and makers where each column is made without a look at the others."""
    shape = meta.shape
    own = meta.rename or meta.exclude or meta.inline_args or not meta.factory.builds_itself()
    if own or not _all_columns(meta, fields):
        return None
    constants: dict[str, Any] = dict(fields)
    makers: list[tuple[str, Callable[[], Any]]] = []
    for name, each in meta.pre_declarations.declarations.items():
        if name in fields or isinstance(each, (Parent, ParentKey)):
            continue
        if isinstance(each, Plain):
            makers.append((name, partial(each.make, random_for(each.model))))
        elif isinstance(each, Drawn):
            makers.append((name, each.draw))
        elif isinstance(each, Default) and not each.looks_at_others:
            makers.append((name, partial(each.value, None, None)))
        elif not _is_declaration(each) and name in shape.attributes:
            constants[name] = each
        else:
            return None
    check_uuids(meta.factory.__name__, constants, meta.uuids)
    return {name: value for name, value in constants.items() if name in shape.attributes}, makers


def _is_declaration(value: object) -> bool:
    return getattr(value, "FACTORY_BUILDER_PHASE", None) is not None


def _all_columns(meta: Any, fields: dict[str, Any]) -> bool:
    links = {link.name for link in meta.shape.parents}
    return all(
        not _is_declaration(value) and (name in meta.shape.attributes or name in links)
        for name, value in fields.items()
    )


class _Parents:
    """The parents of the rows: as few as the constraints allow."""

    def __init__(self, meta: Any, session: Session, size: int, fields: dict[str, Any]) -> None:
        self._meta, self._session = meta, session
        self._size, self._fields = size, fields
        self.keys: list[dict[str, Any]] = [{} for _ in range(size)]
        self._varying: set[str] = set()
        self._objects: list[dict[str, Any]] = [{} for _ in range(size)]
        # What is there already decides the columns that it shares with others.
        for link in sorted(meta.shape.parents, key=self._is_made):
            self._add(link)

    def objects_and_keys(self) -> Iterator[dict[str, Any]]:
        """Give what is known of the parents of each row, as a call would give it."""
        for objects, keys in zip(self._objects, self.keys, strict=True):
            yield {**keys, **objects}

    def _is_made(self, link: ParentLink) -> bool:
        return link.name not in self._fields and default_of(link.target) is None

    def _add(self, link: ParentLink) -> None:
        locals_ = {local for local, _ in link.pairs}
        if locals_ <= self.keys[0].keys():
            return
        if link.name in self._fields:
            self._take(link, [self._own(link, self._fields[link.name])])
            return
        declarations = self._meta.pre_declarations.declarations
        declaration = declarations.get(link.name or min(locals_))
        factory = _parent_factory(self._chosen(declaration), self._meta.factory)
        if factory is None or locals_ & self._fields.keys():
            return
        extra = {**getattr(declaration, "_defaults", {}), **_deep(self._fields, link.name)}
        default = None if extra else default_of(link.target)
        if default is not None:
            self._take(link, [self._own(link, default)])
            return
        shared = {remote: local for local, remote in link.pairs if local in self.keys[0]}
        extra.update({remote: self.keys[0][local] for remote, local in shared.items()})
        count = self._size if self._tells_rows_apart(locals_) and not shared else 1
        self._varying |= locals_ if count > 1 else set()
        parents = factory.create_batch(count, **extra)
        self._session.flush()
        self._take(link, parents)

    def _own(self, link: ParentLink, parent: Any) -> Any:
        """Return a row whose key can be read: as this session has it, written if need be."""
        name = self._meta.factory.__name__
        found = own_copy(self._session, name, link.name or link.target.__name__, parent)
        if is_pending(found):
            self._session.add(found)
            self._session.flush()
        return found

    def _chosen(self, declaration: Any) -> Any:
        """Return what a trait, asked for or not, leaves of a declaration."""
        while isinstance(declaration, Maybe) and isinstance(declaration.decider, SelfAttribute):
            asked = self._fields.get(declaration.decider.attribute_name)
            declaration = declaration.yes if asked else declaration.no
        return declaration

    def _tells_rows_apart(self, locals_: set[str]) -> bool:
        """Return whether a unique constraint rests on this parent: no column of the row's own."""
        of_parents = {local for link in self._meta.shape.parents for local, _ in link.pairs}
        return any(
            group <= of_parents and group & locals_ and not group & self._varying
            for group in self._meta.shape.uniques
        )

    def _take(self, link: ParentLink, parents: list[Any]) -> None:
        every = parents * (self._size if len(parents) == 1 else 1)
        for row, objects, parent in zip(self.keys, self._objects, every, strict=True):
            row.update(_key(link, parent))
            if link.name is not None:
                objects[link.name] = parent


def _parent_factory(declaration: Any, child: Any) -> Any:
    if isinstance(declaration, ParentKey):
        declaration = declaration.parent
    if isinstance(declaration, Parent):
        return declaration.factory_beside(child)
    if isinstance(declaration, SubFactory):
        return declaration.get_factory()
    return None


def _deep(fields: dict[str, Any], name: str | None) -> dict[str, Any]:
    if name is None:
        return {}
    start = f"{name}__"
    return {key.removeprefix(start): each for key, each in fields.items() if key.startswith(start)}


def _key(link: ParentLink, parent: Any) -> dict[str, Any]:
    if parent is None or parent is SKIP:
        return dict.fromkeys([local for local, _ in link.pairs])
    return {local: getattr(parent, remote) for local, remote in link.pairs}
