"""What a mapper says about the rows of its model: columns, parents, and what must be unique."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.sql import visitors

from testkit.factories.fields.bounds import Bounds
from testkit.factories.fields.checks import read_checks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Attribute", "ParentLink", "Shape", "shape_of"]


_TELLING_APART: Final = (sa.PrimaryKeyConstraint, sa.UniqueConstraint, ExcludeConstraint)


@dataclass(frozen=True, slots=True)
class Attribute:
    """A mapped attribute that stands for a column.

    ``server_made`` says that the server, or SQLAlchemy, gives the value: a serial, an identity, a
    computed column, a version counter, a discriminator; ``counts_up`` that each row gets another
    one. ``constructor_default`` says that a dataclass gives one.
    """

    name: str
    column: sa.Column[Any]
    bounds: Bounds
    server_made: bool
    counts_up: bool
    constructor_default: bool

    @property
    def required(self) -> bool:
        """Return whether a row without a value is refused."""
        return not self.column.nullable or self.bounds.required

    @property
    def space(self) -> str:
        """Return ``table.column``."""
        return f"{self.column.table}.{self.column.name}"


@dataclass(frozen=True, slots=True)
class ParentLink:
    """A foreign key: by a relationship (``name``), or by its columns alone (``name`` is None).

    ``pairs`` are attributes of the model and of the parent, in the same order.
    """

    name: str | None
    target: type
    pairs: tuple[tuple[str, str], ...]
    required: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """All of it.

    ``uniques`` are sets of attributes that no two rows may share, smallest first; ``keys`` those by
    which one row can be found: not what only holds for some rows, or for an expression.
    """

    model: type
    attributes: Mapping[str, Attribute]
    parents: tuple[ParentLink, ...]
    uniques: tuple[frozenset[str], ...]
    keys: tuple[frozenset[str], ...]
    settable: frozenset[str]


def shape_of(model: type) -> Shape:
    """Read the mapper of a model; configures mappers, hence call it when all are declared."""
    mapper: orm.Mapper[Any] = sa.inspect(model)
    columns = dict(_columns(mapper))
    names = {column: name for name, column in columns.items()}
    tables = [table for table in mapper.tables if isinstance(table, sa.Table)]
    bounds = _bounds(tables, names)
    given = _given_by_constructor(model)
    attributes = {
        name: Attribute(
            name,
            column,
            bounds.get(name, Bounds()),
            server_made=_server_made(mapper, column),
            counts_up=_counts_up(column),
            constructor_default=name in given,
        )
        for name, column in columns.items()
    }
    parents = tuple(_parents(mapper, names, attributes))
    uniques, keys = set(), set()
    for group, is_key in (found for table in tables for found in _unique_groups(table)):
        group = [each for column in group for each in _sources_of(column)]  # noqa: PLW2901
        if group and all(column in names for column in group):
            attribute_names = frozenset(names[column] for column in group)
            uniques.add(attribute_names)
            keys.update([attribute_names] if is_key else [])
    return Shape(
        model,
        attributes,
        parents,
        _smallest_first(uniques),
        _smallest_first(keys),
        frozenset(mapper.all_orm_descriptors.keys()) | frozenset(mapper.attrs.keys()),
    )


def _columns(mapper: orm.Mapper[Any]) -> Iterator[tuple[str, sa.Column[Any]]]:
    for prop in mapper.column_attrs:
        found = [column for column in prop.columns if isinstance(column, sa.Column)]
        # A joined subclass has the parent's key twice; its own refers to the other.
        own = [c for c in found if not any(k.column in found for k in c.foreign_keys)]
        if own and not prop.key.startswith("_sa_"):
            yield prop.key, own[0]


def _server_made(mapper: orm.Mapper[Any], column: sa.Column[Any]) -> bool:
    return (
        column.computed is not None
        or column is mapper.version_id_col
        or column is mapper.polymorphic_on
        or _counts_up(column)
    )


def _counts_up(column: sa.Column[Any]) -> bool:
    by_itself = getattr(column.table, "autoincrement_column", None) is column
    return (
        column.identity is not None
        or isinstance(column.default, sa.Sequence)
        or (by_itself and column.default is None)
    )


def _given_by_constructor(model: type) -> set[str]:
    if not dataclasses.is_dataclass(model):
        return set()
    return {
        each.name
        for each in dataclasses.fields(model)
        if each.default_factory is not dataclasses.MISSING
        or (each.default is not dataclasses.MISSING and each.default is not None)
    }


def _bounds(
    tables: Iterable[sa.Table], names: Mapping[sa.Column[Any], str]
) -> Mapping[str, Bounds]:
    found: dict[str, Bounds] = {}
    for table in tables:
        of_table = {column.name: names[column] for column in table.columns if column in names}
        texts = [
            str(check.sqltext.compile(compile_kwargs={"literal_binds": True}))
            for check in table.constraints
            if isinstance(check, sa.CheckConstraint) and not check._type_bound  # noqa: SLF001 - an Enum's own
        ]
        for column, bounds in read_checks(texts, of_table).items():
            renamed = dataclasses.replace(
                bounds,
                above=tuple(of_table[c] for c in bounds.above if c in of_table),
                below=tuple(of_table[c] for c in bounds.below if c in of_table),
            )
            found[of_table[column]] = renamed
    return found


def _smallest_first(groups: set[frozenset[str]]) -> tuple[frozenset[str], ...]:
    return tuple(sorted(groups, key=lambda each: (len(each), sorted(each))))


def _unique_groups(table: sa.Table) -> Iterator[tuple[list[sa.Column[Any]], bool]]:
    """Return the columns of each constraint, and whether they are a key of the table."""
    for constraint in table.constraints:
        if isinstance(constraint, _TELLING_APART):
            yield list(constraint.columns), not isinstance(constraint, ExcludeConstraint)
    for index in table.indexes:
        if index.unique:
            columns = [
                column
                for expression in index.expressions
                for column in _columns_in(expression, table)
            ]
            plain = all(isinstance(each, sa.Column) for each in index.expressions)
            partial = index.dialect_options["postgresql"].get("where") is not None
            yield columns, plain and not partial


def _sources_of(column: sa.Column[Any]) -> list[sa.Column[Any]]:
    """Return the column, or those that it is computed from."""
    if column.computed is None or not isinstance(column.table, sa.Table):
        return [column]
    return list(_columns_in(column.computed.sqltext, column.table)) or [column]


def _columns_in(expression: Any, table: sa.Table) -> Iterator[sa.Column[Any]]:
    for each in visitors.iterate(expression) if isinstance(expression, sa.ClauseElement) else ():
        if isinstance(each, sa.Column) and each.table is table:
            yield each
        elif isinstance(each, sa.TextClause):  # text("lower(email)")
            words = re.findall(r"\w+", each.text)
            yield from (column for column in table.columns if column.name in words)


def _parents(
    mapper: orm.Mapper[Any],
    names: Mapping[sa.Column[Any], str],
    attributes: Mapping[str, Attribute],
) -> Iterator[ParentLink]:
    covered: set[frozenset[str]] = set()
    for relationship in mapper.relationships:
        if relationship.direction is not orm.MANYTOONE or relationship.viewonly:
            continue
        pairs = [
            (names[local], relationship.mapper.get_property_by_column(remote).key)
            for local, remote in relationship.local_remote_pairs or ()
            if isinstance(local, sa.Column) and isinstance(remote, sa.Column)
            if local in names and remote in relationship.mapper.columns.values()
        ]
        keys = frozenset(local for local, _ in pairs)
        if pairs and keys not in covered:
            covered.add(keys)
            required = all(attributes[key].required for key in keys)
            yield ParentLink(
                relationship.key, relationship.mapper.class_, tuple(pairs), required=required
            )
    for table in mapper.tables:
        for constraint in table.foreign_key_constraints if isinstance(table, sa.Table) else ():
            link = _by_columns(mapper, constraint, names, attributes)
            if link and frozenset(local for local, _ in link.pairs) not in covered:
                covered.add(frozenset(local for local, _ in link.pairs))
                yield link


def _by_columns(
    mapper: orm.Mapper[Any],
    constraint: sa.ForeignKeyConstraint,
    names: Mapping[sa.Column[Any], str],
    attributes: Mapping[str, Attribute],
) -> ParentLink | None:
    elements = constraint.elements
    if any(element.parent not in names for element in elements):
        return None  # the key of a joined subclass, or an unmapped column
    target = _mapped_to(mapper, elements[0].column.table)
    if target is None:
        return None
    pairs = tuple(
        (names[each.parent], target.get_property_by_column(each.column).key) for each in elements
    )
    required = all(attributes[local].required for local, _ in pairs)
    return ParentLink(None, target.class_, pairs, required=required)


def _mapped_to(mapper: orm.Mapper[Any], table: sa.FromClause) -> orm.Mapper[Any] | None:
    candidates = [m for m in mapper.registry.mappers if m.local_table is table]
    return next((m for m in candidates if m.inherits is None), next(iter(candidates), None))
