"""TD703: a column's default is read before it is there."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Edit, Rule
from testkit.doctor.static.models import Model, named_model
from testkit.doctor.static.project import Project, Spot

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from testkit.doctor.static.fresh import Builders

__all__ = ["BAD", "FIXED", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD703",
    "A column's default is read before it is there",
    "error",
    "`default=` is what SQLAlchemy writes when the row is flushed. Until then the attribute of a new object is None: a comparison with True fails, a sum "
    "raises TypeError, and what is made of the object, such as a pydantic model, refuses None.",
    "Give the class a constructor that fills in what was not given, or map it as a dataclass (MappedAsDataclass). Or read it after a flush.",
)
NEEDS: Final = ("builders", "fresh", "models")
BAD: Final = (
    """
    # file: app/models.py
    import uuid
    from sqlalchemy.orm import Mapped, mapped_column
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        title: Mapped[str]
        is_open: Mapped[bool] = mapped_column(default=True)  # here
        count: Mapped[int] = mapped_column(default=3)  # here
        state: Mapped[str] = mapped_column(default="new")

        def close(self):
            self.is_open = False
    # file: tests/test_orders.py
    from app import models

    def test_an_order_is_open():
        assert models.Order(title="a").is_open is True

    def test_they_are_counted():
        order = models.Order(title="b")
        order.count += 1
        assert order.count == 4
    """,
)
FIXED: Final = (
    """
    # file: app/models.py
    import uuid
    from sqlalchemy.orm import Mapped, mapped_column
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"
        id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
        title: Mapped[str]
        is_open: Mapped[bool] = mapped_column(default=True)  # here
        count: Mapped[int] = mapped_column(default=3)  # here
        state: Mapped[str] = mapped_column(default="new")

        def __init__(self, **values):
            values.setdefault("id", uuid.uuid4())
            values.setdefault("is_open", True)
            values.setdefault("count", 3)
            values.setdefault("state", "new")
            super().__init__(**values)

        def close(self):
            self.is_open = False
    """,
)
GOOD: Final = (
    """
    # file: app/models.py
    import sqlalchemy as sa
    from sqlalchemy.orm import Mapped, MappedAsDataclass, mapped_column
    from app.base import Base

    class Order(Base):
        __tablename__ = "order"
        is_open: Mapped[bool] = mapped_column(default=True)
        note: Mapped[str | None]

    class Filled(Base):
        __tablename__ = "filled"
        is_open: Mapped[bool] = mapped_column(default=True)

        def __init__(self, **values):
            super().__init__(**{"is_open": True, **values})

    class Data(MappedAsDataclass, Base):
        __tablename__ = "data"
        is_open: Mapped[bool] = mapped_column(default=True)
    # file: tests/test_orders.py
    from app.models import Data, Filled, Order

    def test_it(session):
        assert Order(is_open=False).is_open is False
        assert Order().note is None
        assert Filled().is_open and Data().is_open
        order = Order()
        order.is_open = True
        assert order.is_open
        other = Order()
        session.add(other)
        session.flush()
        assert other.is_open
        third = Order()
        third.save()
        assert Order.is_open.is_(True) is not None

    def test_none_is_what_is_asked_for():
        order = Order()
        assert order.is_open is None
    """,
    """
    # file: app/base.py
    class Filled:
        def __init__(self, **values): ...

    class Base(Filled, DeclarativeBase): ...
    # file: app/models.py
    from sqlalchemy.orm import mapped_column
    from app.base import Base

    class Order(Base):
        is_open = mapped_column(default=True)
    # file: tests/test_orders.py
    from app.models import Order

    def test_it():
        assert Order().is_open
    """,
    """
    # file: app/models.py
    from sqlalchemy import event
    from sqlalchemy.orm import DeclarativeBase, mapped_column

    class Base(DeclarativeBase): ...

    @event.listens_for(Base, "init", propagate=True)
    def fill_in(target, args, values): ...

    class Order(Base):
        is_open = mapped_column(default=True)
    # file: tests/test_orders.py
    from app.models import Order

    def test_it():
        assert Order().is_open
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each column with a default that some line reads of a new object without it."""
    models: dict[str, dict[str, list[Model]]] = defaultdict(dict)
    for path, found in project.of("models").items():
        models[project.home(path).folder][path] = found
    filled = _filled(project)
    reads: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for path, told in project.of("fresh").items():
        own = models[project.home(path).folder]
        for read in told:
            model = named_model(own, read["model"])
            if (
                model
                and model["name"] not in filled[project.home(path).folder]
                and _is_late(model, read["attribute"], read["given"])
            ):
                place = next(file for file, many in own.items() if model in many)
                where = f"{project.relative(path)}:{read['line']}"
                reads[place, model["name"], read["attribute"]].append(where)
    for (path, name, attribute), lines in sorted(reads.items()):
        model = next(
            each for each in models[project.home(path).folder][path] if each["name"] == name
        )
        yield _spot(path, model, attribute, lines)


def _is_late(model: Model, attribute: str, given: Sequence[str]) -> bool:
    column = model["columns"].get(attribute)
    return bool(column and attribute not in given and column["default"])


def _filled(project: Project) -> dict[str, Container[str]]:
    """Return by project the names of classes whose new objects something may fill in."""
    told: dict[str, list[Builders]] = defaultdict(list)
    for path, each in project.of("builders").items():
        told[project.home(path).folder].append(each)
    found: dict[str, Container[str]] = defaultdict(set)
    for folder, builders in told.items():
        # A listener may stand for every class of the project.
        found[folder] = _Every() if any(each["heard"] for each in builders) else _names(builders)
    return found


def _names(builders: Sequence[Builders]) -> set[str]:
    """Return the classes with a constructor, and those made of them."""
    found = {name for each in builders for name in each["built"]}
    classes = [(name, bases) for each in builders for name, bases in each["classes"].items()]
    while more := {name for name, bases in classes if found & {*bases}} - found:
        found |= more
    return found


class _Every:
    """All names there are."""

    def __contains__(self, name: object) -> bool:
        return True


def _spot(path: str, model: Model, attribute: str, lines: Sequence[str]) -> Spot:
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    reason = (
        f"{model['name']}.{attribute} is None until the flush, {lines[0]}{more} reads it before"
    )
    at, indent = model["behind"]
    pad = " " * indent
    filled = "".join(
        f'{pad}    values.setdefault("{name}", {column["default"]})\n'
        for name, column in model["columns"].items()
        if column["default"]
    )
    text = f"\n\n{pad}def __init__(self, **values):\n{filled}{pad}    super().__init__(**values)"
    return Spot(
        path, model["columns"][attribute]["line"], indent + 1, reason, (Edit(at, at, text),)
    )
