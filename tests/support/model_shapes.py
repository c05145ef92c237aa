"""Models of forty shapes, from everyday ones to nasty ones, each for an empty-bodied factory."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    column_property,
    composite,
    declared_attr,
    mapped_column,
    registry,
    relationship,
)

__all__ = ["SHAPES", "Base"]


class Base(DeclarativeBase):
    """One metadata for all of them; the tables lie in the test's database."""


SHAPES: Final[list[type]] = []


def shape(model: type) -> type:
    SHAPES.append(model)
    return model


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"
    BLUE = "b"


@shape
class Everyday(Base):
    """Twelve columns as most tables have them."""

    __tablename__ = "everyday"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    email: Mapped[str] = mapped_column(sa.String(120), unique=True)
    title: Mapped[str]
    price: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(10, 2))
    amount: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)
    colour: Mapped[Colour]
    settings: Mapped[dict[str, Any]] = mapped_column(pg.JSONB)
    born: Mapped[dt.date]
    seen_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())


@shape
class Serial(Base):
    __tablename__ = "serial"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]


@shape
class Identity(Base):
    __tablename__ = "identity"
    id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    note: Mapped[str | None]


@shape
class ServerUuid(Base):
    __tablename__ = "server_uuid"
    id: Mapped[uuid.UUID] = mapped_column(
        primary_key=True, server_default=sa.func.gen_random_uuid()
    )
    label: Mapped[str]


@shape
class BareUuid(Base):
    """Nobody draws its key but the factory."""

    __tablename__ = "bare_uuid"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


@shape
class TextUuid(Base):
    __tablename__ = "text_uuid"
    id: Mapped[str] = mapped_column(sa.Uuid(as_uuid=False), primary_key=True)


@shape
class TextKey(Base):
    __tablename__ = "text_key"
    code: Mapped[str] = mapped_column(sa.String(12), primary_key=True)


@shape
class ShortUnique(Base):
    __tablename__ = "short_unique"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(3), unique=True)


@shape
class CharUnique(Base):
    __tablename__ = "char_unique"
    code: Mapped[str] = mapped_column(sa.CHAR(4), primary_key=True)


@shape
class SmallUnique(Base):
    __tablename__ = "small_unique"
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(sa.SmallInteger, unique=True)


@shape
class CaseInsensitive(Base):
    __tablename__ = "case_insensitive"
    id: Mapped[int] = mapped_column(primary_key=True)
    login: Mapped[str] = mapped_column(pg.CITEXT, unique=True)


@shape
class LowerIndex(Base):
    __tablename__ = "lower_index"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(60))
    __table_args__ = (sa.Index("ix_lower_email", sa.func.lower(sa.text("email")), unique=True),)


@shape
class Customer(Base):
    __tablename__ = "customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    orders: Mapped[list[Order]] = relationship(back_populates="customer")


@shape
class Order(Base):
    """A parent by a relationship."""

    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id"))
    total: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(8, 2))
    customer: Mapped[Customer] = relationship(back_populates="orders")


@shape
class Line(Base):
    """A parent by its column alone, and a composite unique constraint."""

    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"))
    position: Mapped[int]
    __table_args__ = (sa.UniqueConstraint("order_id", "position"),)


@shape
class Profile(Base):
    """One for each customer; its key is the customer's."""

    __tablename__ = "profile"
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id"), primary_key=True)
    bio: Mapped[str] = mapped_column(sa.Text)
    customer: Mapped[Customer] = relationship()


@shape
class Tagging(Base):
    """An association: both keys are foreign."""

    __tablename__ = "tagging"
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id"), primary_key=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"), primary_key=True)


@shape
class Tree(Base):
    """Refers to itself, and need not."""

    __tablename__ = "tree"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("tree.id"))
    parent: Mapped[Tree | None] = relationship(remote_side="Tree.id")


@shape
class Ring(Base):
    """Must refer to one of its own; a root refers to itself."""

    __tablename__ = "ring"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    next_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("ring.id"))
    next: Mapped[Ring] = relationship(remote_side="Ring.id")


@shape
class Egg(Base):
    """Must have a hen, which must have an egg."""

    __tablename__ = "egg"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    hen_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("hen.id", deferrable=True, initially="DEFERRED", use_alter=True)
    )
    hen: Mapped[Hen] = relationship(foreign_keys="Egg.hen_id")


@shape
class Hen(Base):
    __tablename__ = "hen"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    egg_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("egg.id", deferrable=True, initially="DEFERRED")
    )
    egg: Mapped[Egg] = relationship(foreign_keys="Hen.egg_id")


@shape
class Tenant(Base):
    __tablename__ = "tenant"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    slug: Mapped[str] = mapped_column(sa.String(20), unique=True)


@shape
class Project(Base):
    """Keys that carry the tenant."""

    __tablename__ = "project"
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[Tenant] = relationship()


@shape
class Member(Base):
    __tablename__ = "member"
    tenant_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("tenant.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant: Mapped[Tenant] = relationship()


@shape
class Assignment(Base):
    """Two parents, of one tenant."""

    __tablename__ = "assignment"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[uuid.UUID]
    project_number: Mapped[int]
    member_number: Mapped[int]
    __table_args__ = (
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_number"], ["project.tenant_id", "project.number"]
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "member_number"], ["member.tenant_id", "member.number"]
        ),
    )
    project: Mapped[Project] = relationship(
        foreign_keys="[Assignment.tenant_id, Assignment.project_number]", overlaps="member"
    )
    member: Mapped[Member] = relationship(
        foreign_keys="[Assignment.tenant_id, Assignment.member_number]", overlaps="project"
    )


@shape
class Checked(Base):
    """CHECK constraints that can be read."""

    __tablename__ = "checked"
    id: Mapped[int] = mapped_column(primary_key=True)
    rating: Mapped[int]
    percent: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(5, 2))
    state: Mapped[str] = mapped_column(sa.String(10))
    code: Mapped[str] = mapped_column(sa.String(10))
    starts_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime]
    hint: Mapped[str | None]
    __table_args__ = (
        sa.CheckConstraint("rating BETWEEN 1 AND 5"),
        sa.CheckConstraint("percent >= 0 AND percent <= 100"),
        sa.CheckConstraint("state IN ('new', 'open', 'done')"),
        sa.CheckConstraint("length(code) >= 4"),
        sa.CheckConstraint("ends_at > starts_at"),
        sa.CheckConstraint("hint IS NOT NULL"),
    )


@shape
class CheckedUnique(Base):
    """Few numbers are allowed, and each only once."""

    __tablename__ = "checked_unique"
    id: Mapped[int] = mapped_column(primary_key=True)
    port: Mapped[int] = mapped_column(unique=True)
    __table_args__ = (sa.CheckConstraint("port >= 1024 AND port < 2048"),)


@shape
class FewCombinations(Base):
    """Unique by columns that have few values each."""

    __tablename__ = "few_combinations"
    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Colour]
    active: Mapped[bool]
    size: Mapped[int] = mapped_column(sa.SmallInteger)
    __table_args__ = (
        sa.UniqueConstraint("colour", "active", "size"),
        sa.CheckConstraint("size >= 1 AND size <= 80"),
    )


@shape
class OneDefault(Base):
    """At most one default for each customer, by a partial index."""

    __tablename__ = "one_default"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customer.id"))
    is_default: Mapped[bool]
    customer: Mapped[Customer] = relationship()
    __table_args__ = (
        sa.Index(
            "ix_one_default", "customer_id", unique=True, postgresql_where=sa.text("is_default")
        ),
    )


@shape
class NullsAreEqual(Base):
    __tablename__ = "nulls_are_equal"
    id: Mapped[int] = mapped_column(primary_key=True)
    external: Mapped[str | None] = mapped_column(sa.String(30))
    __table_args__ = (sa.UniqueConstraint("external", postgresql_nulls_not_distinct=True),)


@shape
class ConstantDefault(Base):
    """A default that only one row can have."""

    __tablename__ = "constant_default"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(50), unique=True, default="")
    token: Mapped[str] = mapped_column(sa.String(50), unique=True, server_default="none")


@shape
class Defaults(Base):
    """Every kind of default."""

    __tablename__ = "defaults"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    upper_name: Mapped[str] = mapped_column(
        sa.String(40), default=lambda context: context.get_current_parameters()["name"].upper()
    )
    tags: Mapped[list[str]] = mapped_column(pg.ARRAY(sa.Text), default=list)
    at: Mapped[dt.datetime] = mapped_column(default=sa.func.now())
    version: Mapped[int] = mapped_column()
    doubled: Mapped[int] = mapped_column(sa.Computed("length(name) * 2"))
    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 - SQLAlchemy's


@shape
class Documents(Base):
    __tablename__ = "documents"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(pg.JSONB)
    raw: Mapped[Any] = mapped_column(sa.JSON)
    words: Mapped[list[str]] = mapped_column(pg.ARRAY(sa.String(10)))
    grid: Mapped[list[list[int]]] = mapped_column(pg.ARRAY(sa.Integer, dimensions=2))
    blob: Mapped[bytes] = mapped_column(sa.LargeBinary)


@shape
class Spans(Base):
    """Ranges that must not overlap, and others."""

    __tablename__ = "spans"
    id: Mapped[int] = mapped_column(primary_key=True)
    during: Mapped[pg.Range[dt.datetime]] = mapped_column(pg.TSTZRANGE)
    numbers: Mapped[pg.Range[int]] = mapped_column(pg.INT4RANGE)
    __table_args__ = (pg.ExcludeConstraint(("during", "&&")),)


@shape
class Times(Base):
    __tablename__ = "times"
    id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[dt.date] = mapped_column(unique=True)
    clock: Mapped[dt.time]
    took: Mapped[dt.timedelta]
    local: Mapped[dt.datetime]
    instant: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True), unique=True)


@shape
class Networks(Base):
    __tablename__ = "networks"
    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[Any] = mapped_column(pg.INET, unique=True)
    block: Mapped[Any] = mapped_column(pg.CIDR)
    card: Mapped[str] = mapped_column(pg.MACADDR, unique=True)
    flags: Mapped[Any] = mapped_column(pg.BIT(8))


@shape
class Employee(Base):
    """A polymorphic base."""

    __tablename__ = "employee"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    badge: Mapped[str] = mapped_column(sa.String(30), unique=True)
    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "employee"}  # noqa: RUF012 - SQLAlchemy's


@shape
class Manager(Employee):
    """A joined subclass."""

    __tablename__ = "manager_of_team"
    id: Mapped[int] = mapped_column(sa.ForeignKey("employee.id"), primary_key=True)
    team: Mapped[str] = mapped_column(sa.String(20))
    __mapper_args__ = {"polymorphic_identity": "manager"}  # noqa: RUF012 - SQLAlchemy's


@shape
class Intern(Employee):
    """Of the same table."""

    school: Mapped[str | None] = mapped_column(sa.String(20))
    __mapper_args__ = {"polymorphic_identity": "intern"}  # noqa: RUF012 - SQLAlchemy's


@shape
class AsDataclass(MappedAsDataclass, Base):
    """A constructor that takes some, by keyword only, and refuses the rest."""

    __tablename__ = "as_dataclass"
    id: Mapped[int] = mapped_column(init=False, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(30), unique=True)
    colour: Mapped[Colour] = mapped_column(default=Colour.GREEN)
    note: Mapped[str] = mapped_column(init=False, default="as it is")


@shape
class OwnConstructor(Base):
    """A constructor with names of its own."""

    __tablename__ = "own_constructor"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(30), unique=True)
    shown: Mapped[str]

    def __init__(self, name: str) -> None:
        self.name = name
        self.shown = name.title()


class Point:
    def __init__(self, x: int, y: int) -> None:
        self.x, self.y = x, y

    def __composite_values__(self) -> tuple[int, int]:
        return self.x, self.y


@shape
class Renamed(Base):
    """Attributes that are called otherwise than columns, a composite, and what is no column."""

    __tablename__ = "renamed"
    key: Mapped[int] = mapped_column("id", primary_key=True)
    name_: Mapped[str] = mapped_column("name", sa.String(25), unique=True)
    x: Mapped[int] = mapped_column("left")
    y: Mapped[int] = mapped_column("top")
    place: Mapped[Point] = composite(Point, "x", "y")
    shouted: Mapped[str] = column_property(sa.func.upper(sa.text("renamed.name")))


class Stamped:
    @declared_attr
    def stamp(cls) -> Mapped[str]:  # noqa: N805 - a class, as SQLAlchemy has it
        return mapped_column(sa.String(35), unique=True)


@shape
class Mixed(Stamped, Base):
    """A column of a mixin, in another schema than public."""

    __tablename__ = "mixed"
    __table_args__ = {"schema": "elsewhere"}  # noqa: RUF012 - SQLAlchemy's
    id: Mapped[int] = mapped_column(primary_key=True)


class Upper(sa.types.TypeDecorator[str]):
    impl = sa.String(16)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: object) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        return value.upper() if value is not None else None


@shape
class Decorated(Base):
    """Types of the project's own."""

    __tablename__ = "decorated"
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(Upper, unique=True)
    mood: Mapped[str] = mapped_column(sa.Enum("glad", "sad", name="mood"))
    width: Mapped[int] = mapped_column(
        pg.DOMAIN("width", sa.Integer, check=sa.text("VALUE > 0 AND VALUE < 1000"))
    )


@shape
class Imperative:
    """Mapped without a declaration; its constructor takes nothing."""


registry(metadata=Base.metadata).map_imperatively(
    Imperative,
    sa.Table(
        "imperative",
        Base.metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("word", sa.String(18), nullable=False, unique=True),
    ),
)
