"""TD702: a text where a column holds a UUID."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Edit, Rule
from testkit.doctor.static.models import Column, Model, columns_of, named_model
from testkit.doctor.static.project import Project, Spot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.ids import GivenText

__all__ = ["BAD", "FIXED", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD702",
    "A text is given to a column of UUIDs",
    "error",
    "SQLAlchemy takes `uuid.UUID` there. With SQLite, and with `native_uuid=False`, a text ends in \"'str' object has no attribute 'hex'\"; with Postgres it "
    "is stored, but the object keeps the text until it is read anew: it is equal to no UUID, and `session.get` looks past the object that the session has. "
    "A text that is no UUID is refused by the server.",
    'Give a UUID: uuid4(), UUID("…"). A test that needs an id that nobody has takes a new uuid4().',
)
NEEDS: Final = ("models", "texts")
_KINDS: Final = frozenset(
    ("uuid.UUID", "sqlalchemy.Uuid", "sqlalchemy.UUID", "sqlalchemy.types.Uuid")
)
BAD: Final = (
    """
    # file: app/models.py
    import uuid
    import sqlalchemy as sa
    from sqlalchemy.dialects import postgresql
    from sqlalchemy.orm import Mapped, mapped_column

    class Order(Base):
        __tablename__ = "order"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
        owner = mapped_column(postgresql.UUID(as_uuid=True))
        parent = sa.Column(sa.Uuid, nullable=True)
    # file: tests/test_orders.py
    from uuid import uuid4
    from sqlalchemy import select
    from app import models
    from app.models import Order

    def test_an_order(session):
        session.add(Order(id=str(uuid4())))  # here
        session.add(Order(owner="6f1c7a52-0000-4000-8000-000000000001"))  # here
        assert session.get(models.Order, "nobody") is None  # here
        found = select(Order).where(Order.parent == uuid4().hex)  # here
        assert session.query(Order).filter_by(owner="6f1c7a52-0000-4000-8000-000000000001").all()  # here
    """,
)
FIXED: Final = (
    """
    # file: tests/test_orders.py
    from uuid import UUID, uuid4
    from sqlalchemy import select
    from app import models
    from app.models import Order

    def test_an_order(session):
        session.add(Order(id=uuid4()))  # here
        session.add(Order(owner=UUID("6f1c7a52-0000-4000-8000-000000000001")))  # here
        assert session.get(models.Order, "nobody") is None  # here
        found = select(Order).where(Order.parent == uuid4())  # here
        assert session.query(Order).filter_by(owner=UUID("6f1c7a52-0000-4000-8000-000000000001")).all()  # here
    """,
)
GOOD: Final = (
    """
    # file: app/models.py
    import uuid
    import sqlalchemy as sa
    from sqlalchemy.orm import Mapped, mapped_column

    class Order(Base):
        __tablename__ = "order"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
        code: Mapped[str]
        other = sa.Column(sa.Uuid(as_uuid=False))
        key = sa.Column(sa.String(36), default=lambda: str(uuid.uuid4()))
    # file: app/bodies.py
    from pydantic import BaseModel

    class Body(BaseModel):
        id: str
    # file: tests/test_orders.py
    from uuid import uuid4
    from app.bodies import Body
    from app.models import Order

    def test_an_order(session):
        session.add(Order(id=uuid4(), code="x", other=str(uuid4()), key=str(uuid4())))
        assert Body(id=str(uuid4()))
        assert session.get(Order, uuid4()) is None
        order = session.query(Order).filter_by(code="x").one()
        assert str(order.id) == "6f1c7a52-0000-4000-8000-000000000001"
        assert Order.code == "6f1c7a52-0000-4000-8000-000000000001"
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each text where a mapped class has a UUID."""
    models: dict[str, dict[str, list[Model]]] = defaultdict(dict)
    for path, found in project.of("models").items():
        models[project.home(path).folder][path] = found
    for path, texts in project.of("texts").items():
        for given in texts:
            model = named_model(models[project.home(path).folder], given["model"])
            if not model:
                continue
            columns = columns_of(models[project.home(path).folder], model)
            name = _uuid_of(columns, given["attribute"])
            if name:
                yield _spot(path, given, f"{model['name']}.{name}")


def _uuid_of(columns: dict[str, Column], attribute: str) -> str:
    """Return the column's name where it holds UUIDs, that of the one primary key for ""."""
    keys = [name for name, column in columns.items() if column["primary"]]
    if not attribute and len(keys) == 1:
        attribute = keys[0]
    column = columns.get(attribute)
    kind = column["type"] if column else ""
    is_uuid = kind in _KINDS or kind == "sqlalchemy.dialects.postgresql.UUID"
    return attribute if is_uuid else ""


def _spot(path: str, given: GivenText, name: str) -> Spot:
    edits = (Edit(given["start"], given["end"], given["text"]),) if given["text"] else ()
    reason = f"{name} holds UUIDs, {given['shown']} is a text"
    return Spot(path, given["line"], given["column"], reason, edits, tuple(given["imports"]))
