"""TD221: any broken constraint told as a duplicate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.models import columns_of, named_model
from testkit.doctor.static.project import Spot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from testkit.doctor.static.models import Model
    from testkit.doctor.static.project import Project

__all__ = ["BAD", "GOOD", "NEEDS", "RULE", "found_in"]

RULE: Final = Rule(
    "TD221",
    "Every broken constraint is told as a duplicate",
    "warning",
    'IntegrityError stands for all constraints of what is flushed: foreign keys, NOT NULL, checks, uniqueness of other columns. Told as "already exists", an owner '
    "that was deleted meanwhile, or a column that somebody forgot to fill, looks like a duplicate: the caller searches for a row that is not there, and a test that expects the duplicate passes.",
    'Ask which one it was and let the others through: `if error.orig.sqlstate != "23505": raise`, or compare the name of the constraint.',
)
NEEDS: Final = ("guesses", "models")
BAD: Final = (
    """
    # file: app/models.py
    import sqlalchemy as sa

    class Line(Base):
        __tablename__ = "line"
        id = sa.Column(primary_key=True)
        order_id = sa.Column(sa.ForeignKey("order.id"))
        name = sa.Column(sa.String, unique=True)

    class User(Base):
        __tablename__ = "user"
        email: Mapped[str] = sa.orm.mapped_column(unique=True)
        name: Mapped[str] = sa.orm.mapped_column(unique=True)
    # file: app/views.py
    from app import models
    from app.models import Line
    from sqlalchemy.exc import IntegrityError

    async def create(session, body):
        session.add(Line(**body))
        try:
            await session.commit()
        except IntegrityError:  # here
            raise HTTPException(409, "Line already exists")

    def create_user(db, body):
        try:
            db.add(models.User.from_body(body))
            db.commit()
        except IntegrityError as error:  # here
            db.rollback()
            log.info("not created")
            raise EmailAlreadyExists(body.email) from error
    """,
)
GOOD: Final = (
    """
    # file: app/models.py
    import sqlalchemy as sa

    class Line(Base):
        __tablename__ = "line"
        order_id = sa.Column(sa.ForeignKey("order.id"))
        name = sa.Column(sa.String, unique=True)

    class Order(Base):
        __tablename__ = "order"
        name = sa.Column(sa.String, unique=True)

    class Tag(Base):
        __tablename__ = "tag"
        name = sa.Column(sa.String, unique=True)
    # file: app/views.py
    from app.models import Line, Order, Tag
    from sqlalchemy.exc import IntegrityError

    def looked(session, body):
        session.add(Line(**body))
        try:
            session.commit()
        except IntegrityError as error:
            if "line_name_key" in str(error.orig):
                raise HTTPException(409, "Line already exists") from error
            raise

    def handed_on(session, body):
        session.add(Line(**body))
        try:
            session.commit()
        except IntegrityError as error:
            raise told(error, "already exists") from error

    def neutral(session, body):
        session.add(Line(**body))
        try:
            session.commit()
        except IntegrityError as error:
            raise HTTPException(409, "This breaks a rule of the database") from error

    def together(session, body):
        session.add(Order(lines=[Line(order=None)]))
        try:
            session.commit()
        except IntegrityError as error:
            raise HTTPException(409, "Order already exists") from error

    def only_one(session, body):
        session.add(Tag(**body))
        try:
            session.commit()
        except IntegrityError as error:
            raise HTTPException(409, "Tag already exists") from error
    """,
)


def found_in(project: Project) -> Iterator[Spot]:
    """Give each such ``except`` behind the making of rows that can break another constraint."""
    models = project.of("models")
    for path, guesses in project.of("guesses").items():
        for guess in guesses:
            made = [model for name in guess["made"] if (model := named_model(models, name))]
            other = next(filter(None, (_other(models, each, made) for each in made)), "")
            if other:
                told = f'Every broken constraint is told as "{guess["told"]}", also {other}'
                yield Spot(path, guess["line"], guess["column"], told)


def _other(models: Mapping[str, Sequence[Model]], model: Model, made: Sequence[Model]) -> str:
    """Return a constraint of the class besides one of uniqueness; "" where none can be read.

    A row that is made together with the one that it refers to cannot miss it.
    """
    columns = columns_of(models, model)
    tables = {each["table"] for each in made}
    for column, told in columns.items():
        if told["foreign"] and told["foreign"].rpartition(".")[0] not in tables:
            return f"the foreign key {model['name']}.{column}"
    unique = [column for column, told in columns.items() if told["unique"]]
    return f"that of {model['name']}.{unique[-1]}" if len(unique) > 1 else ""
