"""Every kind of column default, on models of their own; the flush is a real INSERT."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial, wraps
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    ForeignKey,
    Identity,
    MetaData,
    Sequence,
    String,
    func,
    literal,
    select,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    composite,
    declared_attr,
    mapped_column,
    synonym,
    validates,
)

from cos.db.defaults import with_defaults_at_construction


@with_defaults_at_construction
class Records(DeclarativeBase):
    """A base of its own: these tables are no part of the service's schema."""

    metadata = MetaData()


class Colour(Enum):
    RED = "red"


def _name_in(context: DefaultExecutionContext) -> str:
    parameters: dict[str, str] = context.get_current_parameters()  # type: ignore[no-untyped-call]
    return parameters["name"]


class Answer:
    def __call__(self) -> int:
        return 42


class AnswerWithContext:
    def __call__(self, context: DefaultExecutionContext) -> int:
        return len(_name_in(context))


def from_context(context: DefaultExecutionContext) -> str:
    return f"{_name_in(context)}!"


def count_parameters(context: DefaultExecutionContext) -> int:
    return len(context.get_current_parameters())  # type: ignore[no-untyped-call]


def announced(function: Callable[..., str]) -> Callable[..., str]:
    @wraps(function)
    def call(context: DefaultExecutionContext) -> str:
        return function(context)

    return call


def with_optional_argument(length: int = 3) -> str:
    return "x" * length


class Record(Records):
    __tablename__ = "default_records"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str | None] = mapped_column(String(50))
    flag: Mapped[bool | None] = mapped_column(default=True)
    off: Mapped[bool] = mapped_column(default=False)
    zero: Mapped[int] = mapped_column(default=0)
    empty: Mapped[str] = mapped_column(default="")
    colour: Mapped[Colour] = mapped_column(default=Colour.RED)
    made: Mapped[str] = mapped_column(default=lambda: "made")
    optional: Mapped[str] = mapped_column(default=with_optional_argument)
    partly: Mapped[int] = mapped_column(default=partial(int, "7"))
    called: Mapped[int] = mapped_column(default=Answer())
    inserted: Mapped[int] = mapped_column(insert_default=5)
    renamed: Mapped[int] = mapped_column("stored_as", default=11)
    by_server: Mapped[int] = mapped_column(server_default="9")
    by_both: Mapped[int] = mapped_column(default=1, server_default="2")
    by_sql: Mapped[datetime] = mapped_column(default=func.now())
    by_literal: Mapped[int] = mapped_column(default=literal(4))
    by_sequence: Mapped[int] = mapped_column(Sequence("default_record_numbers"))
    by_identity: Mapped[int] = mapped_column(Identity())
    by_context: Mapped[str] = mapped_column(default=from_context)
    by_wrapped_context: Mapped[str] = mapped_column(default=announced(from_context))
    by_called_context: Mapped[int] = mapped_column(default=AnswerWithContext())
    on_update: Mapped[str | None] = mapped_column(onupdate="changed")


AT_ONCE: dict[str, Any] = {
    "flag": True,
    "off": False,
    "zero": 0,
    "empty": "",
    "colour": Colour.RED,
    "made": "made",
    "optional": "xxx",
    "partly": 7,
    "called": 42,
    "inserted": 5,
    "renamed": 11,
    "by_both": 1,
}
AT_THE_FLUSH: dict[str, Any] = {
    "by_server": 9,
    "by_literal": 4,
    "by_sequence": 1,
    "by_identity": 1,
    "by_context": "ada!",
    "by_wrapped_context": "ada!",
    "by_called_context": 3,
}


def _create_table(session: Session, *names: str) -> None:
    tables = [Records.metadata.tables[name] for name in names or [Record.__tablename__]]
    Records.metadata.create_all(session.connection(), tables=tables)


@pytest.mark.parametrize(("field", "expected"), AT_ONCE.items())
def test_a_python_side_default_is_there_at_construction(field: str, expected: object) -> None:
    assert expected == getattr(Record(), field)


@pytest.mark.parametrize("field", [*AT_THE_FLUSH, "by_sql", "on_update", "name"])
def test_what_needs_the_server_or_the_statement_is_none_at_construction(field: str) -> None:
    assert getattr(Record(), field) is None


@pytest.mark.parametrize("field", [*AT_ONCE, *AT_THE_FLUSH, "id"])
def test_an_explicit_none_wins(field: str) -> None:
    assert getattr(Record(**{field: None}), field) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flag", False),
        ("zero", 3),
        ("empty", "full"),
        ("made", ""),
        ("renamed", 0),
        ("by_server", 1),
    ],
)
def test_an_explicit_value_wins(field: str, value: object) -> None:
    assert value == getattr(Record(**{field: value}), field)


def test_every_object_has_an_id_of_its_own() -> None:
    assert len({Record().id for _ in range(50)}) == 50


def test_an_unknown_argument_is_still_refused() -> None:
    with pytest.raises(TypeError, match="'colr' is an invalid keyword argument"):
        Record(colr=Colour.RED)


def test_the_flush_stores_what_construction_showed_and_fills_in_the_rest(
    db_session: Session,
) -> None:
    _create_table(db_session)
    record = Record(name="ada")
    shown = {field: getattr(record, field) for field in ("id", *AT_ONCE)}
    db_session.add(record)
    db_session.commit()
    db_session.expire_all()

    assert shown == {field: getattr(record, field) for field in shown}
    assert {field: getattr(record, field) for field in AT_THE_FLUSH} == AT_THE_FLUSH
    assert isinstance(record.by_sql, datetime)


def test_an_explicit_none_is_stored_as_null(
    db_session: Session,
) -> None:
    _create_table(db_session)
    record = Record(name="ada", flag=None)
    db_session.add(record)
    db_session.commit()

    assert db_session.scalar(select(Record.flag).where(Record.id == record.id)) is None


def test_loading_a_row_evaluates_no_default(db_session: Session) -> None:
    _create_table(db_session)
    db_session.add(Record(name="ada", flag=None, zero=8))
    db_session.commit()
    db_session.expunge_all()

    loaded = db_session.scalars(select(Record)).one()

    assert (loaded.flag, loaded.zero) == (None, 8)


SHARED: dict[str, Any] = {"tags": []}


class Letter(Records):
    __tablename__ = "default_letters"

    id: Mapped[int] = mapped_column(primary_key=True)
    fresh: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    scalar: Mapped[dict[str, Any]] = mapped_column(JSON, default=SHARED)


def test_a_callable_makes_a_fresh_value_for_every_object() -> None:
    first, second = Letter(), Letter()
    first.fresh["read"] = True

    assert second.fresh == {}


def test_a_mutable_scalar_is_not_shared_between_objects_nor_with_its_declaration() -> None:
    first, second = Letter(), Letter()
    first.scalar["tags"].append("urgent")

    assert second.scalar == {"tags": []}
    assert SHARED == {"tags": []}


class Stamped:
    """A mixin: its column is copied into every table."""

    made_by: Mapped[str] = mapped_column(default=lambda: "mixin")
    length: Mapped[int | None] = mapped_column(default=count_parameters)

    @declared_attr
    def level(cls) -> Mapped[int]:  # noqa: N805 - SQLAlchemy passes the class
        return mapped_column(default=3)


class Animal(Stamped, Records):
    __tablename__ = "default_animals"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "animal"}  # noqa: RUF012

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    kind: Mapped[str]
    legs: Mapped[int] = mapped_column(default=4)


class Bird(Animal):
    """Joined: a table of its own, whose key has no default."""

    __tablename__ = "default_birds"
    __mapper_args__ = {"polymorphic_identity": "bird"}  # noqa: RUF012

    id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Animal.id), primary_key=True)
    wings: Mapped[int] = mapped_column(default=2)


class Dog(Animal):
    """Single table: its column stands in the parent's."""

    __mapper_args__ = {"polymorphic_identity": "dog"}  # noqa: RUF012

    barks: Mapped[bool | None] = mapped_column(default=True)


def test_a_mixins_defaults_are_there_at_construction() -> None:
    animal = Animal()

    assert (animal.made_by, animal.level, animal.length) == ("mixin", 3, None)


def test_a_joined_subclass_has_its_own_defaults_and_the_inherited_ones() -> None:
    bird = Bird()

    assert (bird.wings, bird.legs, bird.made_by, bird.kind) == (2, 4, "mixin", "bird")
    assert isinstance(bird.id, uuid.UUID)


def test_a_joined_subclass_is_stored_as_it_was_shown(db_session: Session) -> None:
    _create_table(db_session, "default_animals", "default_birds")
    bird, plucked = Bird(), Bird(legs=0, wings=0)
    shown = {(bird.id, 4, 2), (plucked.id, 0, 0)}
    db_session.add_all([bird, plucked])
    db_session.commit()

    assert {
        tuple(row) for row in db_session.execute(select(Bird.id, Bird.legs, Bird.wings))
    } == shown


def test_a_single_table_subclass_has_its_own_defaults_and_the_inherited_ones() -> None:
    dog = Dog(legs=3)

    assert (dog.barks, dog.legs, dog.kind) == (True, 3, "dog")


def test_a_parent_has_no_defaults_of_its_subclasses() -> None:
    assert not hasattr(Animal(), "barks")


class Titled(Records):
    """A constructor of its own, with a positional argument and its own default."""

    __tablename__ = "default_titled"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str | None] = mapped_column(default="untitled")
    pages: Mapped[int] = mapped_column(default=1)

    def __init__(self, title: str | None, pages: int | None = None) -> None:
        self.had_before = self.pages
        self.title = title
        if pages is not None:
            self.pages = pages


def test_a_constructor_of_its_own_sees_the_defaults_and_overrules_them() -> None:
    titled = Titled(None)

    assert (titled.title, titled.pages, titled.had_before) == (None, 1, 1)


def test_what_a_constructor_of_its_own_assigns_wins() -> None:
    assert Titled("x", 7).pages == 7


class Checked(Records):
    __tablename__ = "default_checked"

    id: Mapped[int] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(default=1)
    also_size: Mapped[int] = synonym("size")

    @validates("size")
    def _double(self, _key: str, value: int) -> int:
        return value * 2


def test_a_validator_sees_the_default_once() -> None:
    assert Checked().size == 2


def test_a_value_given_through_a_synonym_wins() -> None:
    assert Checked(also_size=5).size == 10


@dataclass
class Point:
    x: int
    y: int


class Placed(Records):
    __tablename__ = "default_placed"

    id: Mapped[int] = mapped_column(primary_key=True)
    x: Mapped[int] = mapped_column(default=1)
    y: Mapped[int] = mapped_column(default=2)
    point: Mapped[Point] = composite("x", "y")


def test_the_parts_of_a_composite_have_their_defaults() -> None:
    assert Point(1, 2) == Placed().point


def test_a_composite_that_is_given_wins_over_the_defaults_of_its_parts() -> None:
    placed = Placed(point=Point(8, 9))

    assert (placed.x, placed.y) == (8, 9)


def test_a_column_that_is_added_after_the_first_object_has_its_default() -> None:
    @with_defaults_at_construction
    class Own(DeclarativeBase):
        pass

    class Later(Own):
        __tablename__ = "default_later"

        id: Mapped[int] = mapped_column(primary_key=True)

    Later()
    Later.weight = mapped_column("weight", default=70)  # a declarative class maps it at once

    assert Later().weight == 70  # type: ignore[attr-defined]


class Broken(Records):
    __tablename__ = "default_broken"

    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(default=lambda: 1 // 0)


class Timed(Records):
    __tablename__ = "default_timed"

    id: Mapped[int] = mapped_column(primary_key=True)
    made_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


def test_a_default_that_raises_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        Broken()


def test_a_time_is_taken_when_the_object_is_made() -> None:
    before = datetime.now(UTC)

    assert before <= Timed().made_at <= datetime.now(UTC)
