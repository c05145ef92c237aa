"""TD203: a column of texts that is given UUIDs."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Change, Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "FIXED", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD203",
    "A column of texts gets UUIDs by default",
    "error",
    "The default is an object of UUID, the column takes a text. SQLite refuses it, and asyncpg does for a String; psycopg writes it, and the attribute is a UUID until the row is read again, then a text: what is compared "
    "with it is equal in one test and not in the next.",
    "Let the default give a text: default=lambda: str(uuid.uuid4()). Better is a column of UUIDs, which needs a migration.",
)
_COLUMNS: Final = frozenset(("Column", "mapped_column"))
_TEXTS: Final = frozenset(("CHAR", "String", "Text", "Unicode", "UnicodeText", "VARCHAR"))
_UUIDS: Final = frozenset(("UUID", "Uuid"))
_MAKES: Final = frozenset(f"uuid.uuid{version}" for version in (1, 4, 6, 7))
BAD: Final = (
    """
    import uuid
    from uuid import uuid4
    import sqlalchemy as sa
    from sqlalchemy.dialects.postgresql import UUID
    from sqlalchemy.orm import Mapped, mapped_column

    class Order(Base):
        id = sa.Column(sa.String(36), primary_key=True, default=uuid.uuid4)  # here
        key: Mapped[str] = mapped_column(default=uuid4)  # here
        name: Mapped[str] = mapped_column(UUID(as_uuid=False), default=uuid4)  # here
        text = sa.Column("text", sa.Text, default=uuid4)  # here
    """,
)
FIXED: Final = (
    BAD[0]
    .replace("default=uuid.uuid4)", "default=lambda: str(uuid.uuid4()))")
    .replace("default=uuid4)", "default=lambda: str(uuid4()))"),
)
GOOD: Final = (
    """
    import uuid
    import sqlalchemy as sa
    from app.types import String as OwnString

    try:
        from nanoid import generate as nanoid
    except ImportError:
        from uuid import uuid4 as nanoid
    from sqlalchemy.orm import Mapped, mapped_column

    class Order(Base):
        id = sa.Column(sa.Uuid, primary_key=True, default=uuid.uuid4)
        other: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
        key = sa.Column(sa.String(36), default=lambda: str(uuid.uuid4()))
        name = sa.Column(sa.UUID(as_uuid=True), default=uuid.uuid4)
        own = sa.Column(OwnString, default=uuid.uuid4)
        short: Mapped[str] = mapped_column(default=nanoid)
        told: Mapped[str] = mapped_column(OwnGuid, default=uuid.uuid4)
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each default that makes UUIDs, of a column whose type is one of texts."""
    for call, name in module.calls():
        if name.rpartition(".")[2] not in _COLUMNS or not name.startswith("sqlalchemy"):
            continue
        for word in call.keywords:
            if word.arg == "default" and _makes(module, word.value) and _holds_texts(module, call):
                given = module.segment(word.value)
                reason = f"default={given} gives UUIDs, and the column holds texts"
                yield Place(word.value, reason, (Change(word.value, f"lambda: str({given}())"),))


def _makes(module: Module, node: ast.expr) -> bool:
    """Return whether it makes UUIDs; another name may stand for something else as well."""
    name = module.origin(node)
    return name in _MAKES and name.endswith(f".{ast.unparse(node).rpartition('.')[2]}")


def _holds_texts(module: Module, call: ast.Call) -> bool:
    types = [each for each in call.args if not isinstance(each, ast.Constant)]
    types += [word.value for word in call.keywords if word.arg == "type_"]
    if types:
        return any(_is_text(module, each) for each in types)
    above = module.parents[call]
    return (
        isinstance(above, ast.AnnAssign)
        and isinstance(above.annotation, ast.Subscript)
        and module.origin(above.annotation.slice) == "str"
    )


def _is_text(module: Module, node: ast.expr) -> bool:
    name = module.origin(node.func if isinstance(node, ast.Call) else node)
    if not name.startswith("sqlalchemy"):
        return False
    last = name.rpartition(".")[2]
    return last in _TEXTS or (
        last in _UUIDS
        and isinstance(node, ast.Call)
        and any(
            word.arg == "as_uuid" and isinstance(word.value, ast.Constant) and not word.value.value
            for word in node.keywords
        )
    )
