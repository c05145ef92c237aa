"""Factories with one defect each, tried on a real Postgres."""

from __future__ import annotations

import datetime as dt
import sys
import uuid
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import factory as factory_boy
import pytest
import sqlalchemy as sa
from factory.alchemy import SQLAlchemyModelFactory
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from testkit.doctor.factories.judging import of_factory
from testkit.doctor.factories.trying import is_asynchronous, trials_of
from testkit.factories import Factory

if TYPE_CHECKING:
    from testkit.isolation.database import Database

factory: Any = factory_boy  # it carries few types


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "doctor_customer"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    email: Mapped[str] = mapped_column(sa.String(60), unique=True)
    active: Mapped[bool] = mapped_column(default=True)
    credit: Mapped[Decimal | None] = mapped_column(sa.Numeric(10, 2))
    since: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    code: Mapped[str | None] = mapped_column(sa.CHAR(8))
    region: Mapped[str | None]
    invoices: Mapped[list[Invoice]] = relationship(back_populates="customer")


sa.Index(
    "doctor_one_region", Customer.region, unique=True, postgresql_where=Customer.active.is_(False)
)


class Invoice(Base):
    __tablename__ = "doctor_invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(sa.CheckConstraint("amount > 0", name="doctor_positive"))
    note: Mapped[str | None]
    customer_id: Mapped[uuid.UUID] = mapped_column(
        sa.ForeignKey("doctor_customer.id", deferrable=True, initially="DEFERRED")
    )
    customer: Mapped[Customer] = relationship(back_populates="invoices")


class Network(Base):
    __tablename__ = "doctor_network"
    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[Any] = mapped_column(INET)  # the driver chooses the type that comes back


class NetworkFactory(Factory[Network]):
    pass


class CustomerFactory(Factory[Customer]):
    class Params:
        inactive = factory.Trait(active=False)
        rich = factory.Trait(credit=Decimal("100.50"))


class ByTextFactory(Factory[Customer]):
    id = factory.LazyFunction(lambda: str(uuid.uuid4()))


class InvoiceFactory(Factory[Invoice]):
    amount = 5

    class Params:
        refund = factory.Trait(amount=-5)
        plain = factory.Trait(amount=5)
        empty = factory.Trait()


class PlainCustomer(SQLAlchemyModelFactory):
    class Meta:
        model = Customer
        sqlalchemy_session_persistence = "commit"

    email = factory.Sequence(lambda n: f"c{n}@example.com")


class Parentless(SQLAlchemyModelFactory):
    class Meta:
        model = Invoice
        sqlalchemy_session_persistence = "flush"

    amount = 3


class PlainInvoice(Parentless):
    customer = factory.SubFactory(PlainCustomer)


class Ticket(Base):
    __tablename__ = "doctor_ticket"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=lambda: str(uuid.uuid4()))


@pytest.fixture(scope="module", autouse=True)
def tables(database: Database) -> Database:
    Base.metadata.create_all(database.engine)
    return database


def write_note(made: Any, *_: object) -> None:
    made.note = "seen"


def add_parent(made: Any, create: object, *_: object) -> None:
    if create:
        session = sa.inspect(made).session
        session.add(Customer(id=made.customer_id, email=f"{made.customer_id}@example.com"))
        session.flush()


def end_connection(made: Any, create: object, *_: object) -> None:
    if create:
        statement = sa.text("SELECT pg_terminate_backend(pg_backend_pid())")
        sa.inspect(made).session.execute(statement)


def end_transaction(made: Any, create: object, *_: object) -> None:
    if create:
        session = sa.inspect(made).session
        session.connection().rollback()
        session.close()


def found(kind: Any, database: Database) -> dict[tuple[str, str], str]:
    """Return the reasons by code and trait."""
    trials = trials_of(kind, database.engine)
    findings = of_factory(Path("factories.py"), (3, 1), kind.__name__, trials)
    return {(each.code, each.trait): each.reason for each in findings}


@pytest.mark.parametrize("kind", [CustomerFactory, PlainCustomer, PlainInvoice])
def test_a_factory_without_defect_has_no_finding(kind: Any, tables: Database) -> None:
    assert found(kind, tables) == {}


def test_what_a_factory_commits_is_rolled_back(tables: Database) -> None:
    found(PlainCustomer, tables)
    found(CustomerFactory, tables)
    with tables.session() as session:
        left = session.scalar(sa.select(sa.func.count()).select_from(Customer))

    assert left == 0


def test_the_session_of_a_factory_is_its_own_again(tables: Database) -> None:
    own = object()

    class WithSession(PlainCustomer):
        class Meta:
            sqlalchemy_session = own

    options: Any = WithSession._meta

    assert found(WithSession, tables) == {}
    assert (options.sqlalchemy_session, options.sqlalchemy_session_factory) == (own, None)


def test_a_factory_of_another_session_is_tried_through_ours(tables: Database) -> None:
    class ForAsync(CustomerFactory):
        class Meta:
            session_fixture = "no_such_session"
            async_session_fixture = "no_such_async_session"

    assert found(ForAsync, tables) == {}


def test_a_factory_that_cannot_be_built_says_why(tables: Database) -> None:
    class Gone(PlainCustomer):
        nick = "ann"

    reason = "build() raises TypeError: 'nick' is an invalid keyword argument for Customer"

    assert found(Gone, tables) == {("TD102", ""): reason}


def test_a_row_that_the_database_refuses_is_told_in_its_words(tables: Database) -> None:
    reasons = found(Parentless, tables)

    assert list(reasons) == [("TD103", "")]
    assert 'null value in column "customer_id"' in reasons["TD103", ""]


def test_a_key_that_is_checked_at_the_commit_is_checked(tables: Database) -> None:
    class Stranger(Parentless):
        customer_id = factory.LazyFunction(uuid.uuid4)

    reasons = found(Stranger, tables)

    assert list(reasons) == [("TD103", "")]
    assert 'is not present in table "doctor_customer"' in reasons["TD103", ""]


def test_two_rows_may_both_put_the_child_before_its_parent(tables: Database) -> None:
    class ParentBehind(Parentless):
        customer_id = factory.LazyFunction(uuid.uuid4)
        parent = factory.PostGeneration(add_parent)

    assert found(ParentBehind, tables) == {}


def test_a_constant_in_a_unique_column_collides(tables: Database) -> None:
    class Constant(Factory[Customer]):
        email = "ann@example.com"

    reasons = found(Constant, tables)

    assert list(reasons) == [("TD104", "")]
    assert reasons["TD104", ""].startswith("two rows in a row collide: UniqueViolation:")
    assert "Key (email)=(ann@example.com) already exists" in reasons["TD104", ""]


def test_a_constant_is_seen_where_no_row_could_be_made(tables: Database) -> None:
    class Both(PlainCustomer):
        email = "ann@example.com"
        code = "longer than eight"

    reasons = found(Both, tables)

    assert list(reasons) == [("TD103", ""), ("TD104", "")]
    assert reasons["TD104", ""] == "every object has the same email, which must be unique"


def test_a_constant_is_nothing_where_the_constraint_has_a_condition(tables: Database) -> None:
    class Main(PlainCustomer):
        region = "north"
        code = "longer than eight"

    assert list(found(Main, tables)) == [("TD103", "")]


def test_a_row_that_is_there_already_is_told_apart(tables: Database) -> None:
    class Taken(Factory[Customer]):
        email = "taken@example.com"

    with tables.session() as session:
        session.add(Customer(email="taken@example.com"))
        session.commit()
    reasons = found(Taken, tables)

    assert reasons["TD104", ""].startswith("the first row collides: UniqueViolation:")


def test_a_factory_that_finds_its_row_does_not_collide(tables: Database) -> None:
    class Admin(PlainCustomer):
        class Meta:
            sqlalchemy_get_or_create = ("email",)

        email = "admin@example.com"

    assert found(Admin, tables) == {}


@pytest.mark.parametrize("base", [Factory[Customer], PlainCustomer])
def test_a_text_for_a_uuid_is_told(base: Any, tables: Database) -> None:
    class Text(base):  # type: ignore[misc]  # a class that is given
        id = factory.LazyFunction(lambda: str(uuid.UUID(int=7)))

    class Texts(Text):
        id = factory.LazyFunction(lambda: str(uuid.uuid4()))

    reasons = found(Texts, tables)

    assert list(reasons) == [("TD105", "")]
    assert "id" in reasons["TD105", ""]


def test_a_text_that_a_default_of_the_model_gives_is_told(tables: Database) -> None:
    class PlainTicket(SQLAlchemyModelFactory):
        class Meta:
            model = Ticket
            sqlalchemy_session_persistence = "commit"

    assert list(found(PlainTicket, tables)) == [("TD105", "")]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("credit", Decimal("1.239"), "credit (NUMERIC(10, 2)) was given Decimal('1.239')"),
        ("credit", 0.1, "credit (NUMERIC(10, 2)) was given 0.1 and reads Decimal('0.10')"),
        ("since", dt.datetime(2026, 1, 2), "since (TIMESTAMP WITH TIME ZONE) was given"),  # noqa: DTZ001
        ("code", "short", "code (CHAR(8)) was given 'short' and reads 'short   '"),
    ],
)
def test_a_value_that_comes_back_as_another_is_told(
    name: str, value: object, words: str, tables: Database
) -> None:
    make: Any = type(PlainCustomer)
    reasons = found(make("Changed", (PlainCustomer,), {name: value}), tables)

    assert list(reasons) == [("TD106", "")]
    assert reasons["TD106", ""].startswith(words)


def test_a_value_that_nobody_declared_is_no_defect_of_the_factory(tables: Database) -> None:
    class Dated(CustomerFactory):
        class Params:
            old = factory.Trait(long_ago=True)
            long_ago = factory.Trait(since=dt.datetime(1999, 1, 2))  # noqa: DTZ001

    assert list(found(Dated, tables)) == [("TD106", "old"), ("TD106", "long_ago")]
    assert found(NetworkFactory, tables) == {}


def test_traits_are_tried_alone_and_idle_ones_are_told(tables: Database) -> None:
    reasons = found(InvoiceFactory, tables)

    assert list(reasons) == [("TD103", "refund"), ("TD107", "plain"), ("TD107", "empty")]
    assert '"doctor_positive"' in reasons["TD103", "refund"]
    assert reasons["TD107", "plain"] == "it sets amount as without it"
    assert reasons["TD107", "empty"] == "it sets nothing"


def test_a_trait_that_sets_the_default_of_the_model_is_idle(tables: Database) -> None:
    class Activated(CustomerFactory):
        class Params:
            activated = factory.Trait(active=True)

    assert found(Activated, tables) == {("TD107", "activated"): "it sets active as without it"}


def test_a_defect_of_the_factory_is_not_told_again_for_its_traits(tables: Database) -> None:
    class Constant(CustomerFactory):
        email = "ann@example.com"

    assert list(found(Constant, tables)) == [("TD104", "")]


def test_what_a_hook_leaves_unwritten_is_told_of_a_plain_factory(tables: Database) -> None:
    class Noted(PlainInvoice):
        note_it = factory.PostGeneration(write_note)

    class WritesItself(Factory[Invoice]):
        note_it = factory.PostGeneration(write_note)

    assert found(Noted, tables) == {("TD108", ""): "unwritten behind create(): Invoice.note"}
    assert found(WritesItself, tables) == {}


def test_a_factory_that_leaves_the_flush_to_its_caller_is_flushed(tables: Database) -> None:
    class Unflushed(PlainInvoice):
        class Meta:
            sqlalchemy_session_persistence = None

        amount = 0

        note_it = factory.PostGeneration(write_note)

    reasons = found(Unflushed, tables)

    assert list(reasons) == [("TD103", "")]
    assert reasons["TD103", ""].startswith("create() raises CheckViolation:")


def test_one_that_breaks_its_connection_does_no_harm_to_the_next(tables: Database) -> None:
    class Breaks(PlainCustomer):
        end = factory.PostGeneration(end_connection)

    reasons = found(Breaks, tables)

    assert list(reasons) == [("TD103", "")]
    assert found(PlainCustomer, tables) == {}


def test_one_that_ends_the_transaction_does_no_harm_either(tables: Database) -> None:
    class Ends(PlainCustomer):
        end = factory.PostGeneration(end_transaction)

    found(Ends, tables)

    assert found(PlainCustomer, tables) == {}


def test_one_that_returns_something_else_is_called_and_no_more(tables: Database) -> None:
    class Seven(PlainCustomer):
        @classmethod
        def _build(cls, *_: Any, **__: Any) -> Any:
            return 7

        _create = _build

    assert found(Seven, tables) == {}


def test_one_that_ends_the_process_is_held(tables: Database) -> None:
    class Leaves(PlainCustomer):
        email = factory.LazyFunction(lambda: sys.exit(3))

    assert found(Leaves, tables) == {("TD102", ""): "build() raises SystemExit: 3"}


def test_what_one_call_finds_the_next_one_finds(tables: Database) -> None:
    class ByChance(PlainCustomer):
        code = factory.Faker("lexify", text="?????")

    first = found(ByChance, tables)
    found(CustomerFactory, tables)

    assert list(first) == [("TD106", "")]
    assert found(ByChance, tables) == first


def test_what_only_a_loop_could_create_is_told_from_the_rest() -> None:
    class AwaitedFactory(SQLAlchemyModelFactory):
        @classmethod
        async def _create(cls, *_: Any, **__: Any) -> None: ...

    assert is_asynchronous(AwaitedFactory)
    assert not is_asynchronous(Factory)
