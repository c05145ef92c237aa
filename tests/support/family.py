"""Parents and their children as the ORM sees them, without a table: nothing need be made."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, deferred, relationship

__all__ = ["PARENTS", "Child", "Parent"]

#: How many there are, each with two children.
PARENTS = 4

_numbers = sa.func.generate_series(1, 2 * PARENTS).table_valued("n").render_derived()
_number = sa.cast(_numbers.c.n, sa.Integer)
_parents = (
    sa.select(_number.label("id"), sa.func.concat("p", _number).label("name"))
    .where(_number <= PARENTS)
    .subquery("parents")
)
_children = sa.select(_number.label("id"), ((_number + 1) // 2).label("parent_id")).subquery(
    "children"
)
_JOIN = _parents.c.id == _children.c.parent_id


class _Base(DeclarativeBase):
    pass


class Parent(_Base):
    """One with two children and a name that is loaded when it is read."""

    __table__ = _parents
    __mapper_args__ = {"primary_key": [_parents.c.id]}  # noqa: RUF012 - SQLAlchemy's form

    id: Mapped[int]
    name: Mapped[str] = deferred(_parents.c.name)
    children: Mapped[list[Child]] = relationship(
        primaryjoin=_JOIN, foreign_keys=_children.c.parent_id, viewonly=True
    )


class Child(_Base):
    """One of a parent."""

    __table__ = _children
    __mapper_args__ = {"primary_key": [_children.c.id]}  # noqa: RUF012 - the same

    id: Mapped[int]
    parent: Mapped[Parent] = relationship(
        primaryjoin=_JOIN, foreign_keys=_children.c.parent_id, viewonly=True
    )
