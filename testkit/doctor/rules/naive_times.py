"""TD202: a time without a zone for a column that has one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Change, Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "FIXED", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD202",
    "A time without a zone goes into a column with one",
    "error",
    "`datetime.utcnow` and `datetime.now` give times without a zone. Postgres takes such a time as one of the session's zone: with any other zone than UTC "
    "the row is hours off, and it comes back with a zone, so that comparing it with what was written raises TypeError.",
    "Give a time with its zone: default=lambda: datetime.now(UTC), or let the database do it: server_default=func.now().",
)
_NAIVE: Final = frozenset(("datetime.datetime.utcnow", "datetime.datetime.now"))
BAD: Final = (
    """
    from datetime import datetime
    import sqlalchemy as sa
    from sqlalchemy.orm import mapped_column
    from sqlalchemy.dialects.postgresql import TIMESTAMP

    class Order(Base):
        made = mapped_column(sa.DateTime(timezone=True), default=datetime.utcnow)  # here
        seen = sa.Column(sa.TIMESTAMP(timezone=True), onupdate=datetime.now)  # here
        sent = sa.Column(TIMESTAMP(timezone=True), default=lambda: datetime.utcnow())  # here
        paid = sa.Column("paid", sa.DateTime(True), default=lambda: datetime.now())  # here
    """,
)
FIXED: Final = (
    """
    from datetime import timezone, datetime
    import sqlalchemy as sa
    from sqlalchemy.orm import mapped_column
    from sqlalchemy.dialects.postgresql import TIMESTAMP

    class Order(Base):
        made = mapped_column(sa.DateTime(timezone=True), default=lambda: datetime.now(timezone.utc))  # here
        seen = sa.Column(sa.TIMESTAMP(timezone=True), onupdate=lambda: datetime.now(timezone.utc))  # here
        sent = sa.Column(TIMESTAMP(timezone=True), default=lambda: datetime.now(timezone.utc))  # here
        paid = sa.Column("paid", sa.DateTime(True), default=lambda: datetime.now(timezone.utc))  # here
    """,
)
GOOD: Final = (
    """
    from datetime import UTC, datetime, timezone
    import sqlalchemy as sa
    from sqlalchemy.orm import mapped_column

    class Order(Base):
        made = mapped_column(sa.DateTime(timezone=True), default=lambda: datetime.now(UTC))
        seen = sa.Column(sa.DateTime(timezone=True), default=lambda: datetime.now(tz=timezone.utc))
        plain = sa.Column(sa.DateTime, default=datetime.utcnow)
        false = sa.Column(sa.DateTime(timezone=False), default=datetime.utcnow)
        other = sa.Column(sa.DateTime(timezone=True), server_default=sa.func.now())
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each default of a zoned column that makes a time without a zone."""
    for call, name in module.calls():
        if name.rpartition(".")[2] not in {"Column", "mapped_column"}:
            continue
        if not any(_has_zone(module, argument) for argument in call.args):
            continue
        for keyword in call.keywords:
            if keyword.arg in {"default", "onupdate", "insert_default"}:
                made = _naive(module, keyword.value)
                if made:
                    reason = f"{keyword.arg} is {made}, which knows no zone"
                    yield Place(keyword.value, reason, (_zoned(module, keyword.value),))


def _has_zone(module: Module, node: ast.expr) -> bool:
    if not isinstance(node, ast.Call):
        return False
    if module.origin(node.func).rpartition(".")[2] not in {"DateTime", "TIMESTAMP"}:
        return False
    given = [word.value for word in node.keywords if word.arg == "timezone"] + node.args[:1]
    return any(isinstance(value, ast.Constant) and value.value is True for value in given)


def _naive(module: Module, value: ast.expr) -> str:
    if isinstance(value, ast.Lambda) and isinstance(value.body, ast.Call):
        call = value.body
        name = module.origin(call.func)
        return name if name in _NAIVE and not call.args and not call.keywords else ""
    name = module.origin(value)
    return name if name in _NAIVE else ""


def _zoned(module: Module, value: ast.expr) -> Change:
    call = value.body if isinstance(value, ast.Lambda) else value
    function = call.func if isinstance(call, ast.Call) else call
    assert isinstance(function, ast.Attribute)
    kind = module.segment(function.value)
    zone, imports = module.spelled("datetime.timezone")
    return Change(value, f"lambda: {kind}.now({zone}.utc)", imports)
