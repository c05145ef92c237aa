"""TD201: a column's default that was worked out once, when the module was imported."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Change, Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "FIXED", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD201",
    "A column's default is one object for all rows",
    "error",
    "`default=` takes a value or a function. A list or dictionary is shared by every row of the process: what one row appends, "
    "the next one begins with. A call such as `datetime.now()` or `uuid4()` is made once, at import: every row gets the same time, and the second "
    "row the same id.",
    "Give the function itself: default=list, default=uuid.uuid4, default=lambda: datetime.now(UTC).",
)
_COLUMNS: Final = frozenset(("Column", "mapped_column", "Field"))
_MADE_ONCE: Final = frozenset(
    (
        *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today"),
        *("time.time", "uuid.uuid1", "uuid.uuid4", "uuid.uuid7", "random.random", "random.randint"),
        *("secrets.token_hex", "secrets.token_urlsafe", "django.utils.timezone.now"),
    )
)
_CONTAINERS: Final = frozenset(("list", "dict", "set"))
_LITERALS: Final = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
BAD: Final = (
    """
    import uuid
    from datetime import datetime, timezone
    import sqlalchemy as sa
    from sqlalchemy.orm import mapped_column

    class Order(Base):
        id = mapped_column(primary_key=True, default=uuid.uuid4())  # here
        made = sa.Column(sa.DateTime, default=datetime.now(timezone.utc))  # here
        seen = sa.Column(sa.DateTime, onupdate=datetime.utcnow())  # here
        tags = sa.Column(sa.JSON, default=[])  # here
        more = sa.Column(sa.JSON, default=dict())  # here
        day = sa.Column(sa.Date, default=sa.func.now(), onupdate={})  # here
    """,
    """
    import uuid
    import datetime as dt
    from sqlalchemy import Column, DateTime

    table = Table("t", metadata, Column("at", DateTime, default=dt.datetime.utcnow()))  # here
    """,
)
FIXED: Final = (
    """
    import uuid
    from datetime import datetime, timezone
    import sqlalchemy as sa
    from sqlalchemy.orm import mapped_column

    class Order(Base):
        id = mapped_column(primary_key=True, default=uuid.uuid4)  # here
        made = sa.Column(sa.DateTime, default=lambda: datetime.now(timezone.utc))  # here
        seen = sa.Column(sa.DateTime, onupdate=datetime.utcnow)  # here
        tags = sa.Column(sa.JSON, default=list)  # here
        more = sa.Column(sa.JSON, default=dict)  # here
        day = sa.Column(sa.Date, default=sa.func.now(), onupdate=dict)  # here
    """,
    """
    import uuid
    import datetime as dt
    from sqlalchemy import Column, DateTime

    table = Table("t", metadata, Column("at", DateTime, default=dt.datetime.utcnow))  # here
    """,
)
GOOD: Final = (
    """
    import uuid
    from datetime import datetime, timezone
    import sqlalchemy as sa
    from sqlalchemy.orm import mapped_column

    class Order(Base):
        id = mapped_column(primary_key=True, default=uuid.uuid4)
        made = sa.Column(sa.DateTime, default=lambda: datetime.now(timezone.utc))
        seen = sa.Column(sa.DateTime, default=sa.func.now(), server_default=sa.text("now()"))
        tags = sa.Column(sa.JSON, default=list)
        size = sa.Column(sa.Integer, default=0)
        name = sa.Column(sa.String, default="")
        roles = sa.Column(sa.JSON, server_default="[]")
    """,
    """
    from pydantic import BaseModel, Field
    from dataclasses import field

    class Body(BaseModel):
        tags: list[str] = Field(default=[])
        names: list[str] = field(default_factory=list)
    """,
    """
    def make(Column, default=[]):
        return Column(default=default)
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each default that is a container, or a call of what changes from moment to moment."""
    for call, name in module.calls():
        if not _is_column(module, name):
            continue
        for keyword in call.keywords:
            if keyword.arg in {"default", "onupdate", "insert_default"}:
                reason = _reason(module, keyword.value)
                if reason:
                    value = keyword.value
                    change = Change(value, _function(module, value))
                    yield Place(value, f"{keyword.arg}={reason}", (change,))


def _is_column(module: Module, name: str) -> bool:
    head, _, last = name.rpartition(".")
    if last not in _COLUMNS:
        return False
    # pydantic's Field copies its default; SQLModel's does not.
    return (
        head.startswith("sqlmodel")
        if last == "Field"
        else head.startswith("sqlalchemy")
        or (not head and any(origin.startswith("sqlalchemy") for origin in module.origins.values()))
    )


def _reason(module: Module, value: ast.expr) -> str:
    if isinstance(value, _LITERALS):
        return f"{ast.unparse(value)[:40]} is shared by all rows"
    if isinstance(value, ast.Call):
        name = module.origin(value.func)
        if name in _CONTAINERS:
            return f"{name}() is shared by all rows"
        if name in _MADE_ONCE:
            return f"{name}() is called once, at import"
    return ""


def _function(module: Module, value: ast.expr) -> str:
    """Return the text of a function that makes the value anew."""
    if isinstance(value, ast.Call) and not value.args and not value.keywords:
        return module.segment(value.func)
    if isinstance(value, ast.List) and not value.elts:
        return "list"
    if isinstance(value, ast.Dict) and not value.keys:
        return "dict"
    return f"lambda: {module.segment(value)}"
