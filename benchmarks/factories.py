"""Objects and rows a second: testkit's factories beside factory-boy's, polyfactory's and by hand.

    python benchmarks/factories.py [--rounds 15] [--size 1000]

A model of twelve columns with one parent, taken in turn. factory-boy has what people write for it:
Sequences for what is unique, Faker for the rest. polyfactory derives its values, as testkit does;
it is measured where it is installed (`pip install polyfactory`). "By hand" are constructors, and
one ``insert()`` of many rows, with values made by f-strings and ``random``.
"""

from __future__ import annotations

import argparse
import datetime as dt
import decimal
import importlib
import importlib.util
import itertools
import random
import uuid
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from factory.alchemy import SQLAlchemyModelFactory
from factory.declarations import Sequence, SubFactory
from factory.faker import Faker
from measure import interleaved, machine, new_run
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from testkit.factories import Factory, bound_to

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Base(DeclarativeBase):
    """The tables of the benchmark."""


class Vendor(Base):
    """The parent."""

    __tablename__ = "vendor"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)


class Product(Base):
    """Twelve columns, one of them the parent's key."""

    __tablename__ = "product"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    vendor_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("vendor.id"))
    name: Mapped[str] = mapped_column(sa.String(80), unique=True)
    email: Mapped[str] = mapped_column(sa.String(120), unique=True)
    title: Mapped[str] = mapped_column(sa.String(100))
    amount: Mapped[int]
    price: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(10, 2))
    rating: Mapped[float]
    active: Mapped[bool] = mapped_column(default=True)
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    released: Mapped[dt.date]
    seen_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    vendor: Mapped[Vendor] = relationship()


_session: Session | None = None
_numbers: Final = itertools.count()


class VendorFactory(Factory[Vendor]):
    """testkit's, with no body."""


class ProductFactory(Factory[Product]):
    """testkit's, with no body."""


class BoyVendorFactory(SQLAlchemyModelFactory):
    """factory-boy's."""

    class Meta:  # noqa: D106 - factory-boy's
        model = Vendor
        sqlalchemy_session_factory = lambda: _session  # noqa: E731 - an attribute, not a function
        sqlalchemy_session_persistence = "commit"

    name = Sequence(lambda n: f"vendor-{n}")


class BoyProductFactory(SQLAlchemyModelFactory):
    """factory-boy's."""

    class Meta:  # noqa: D106 - factory-boy's
        model = Product
        sqlalchemy_session_factory = lambda: _session  # noqa: E731 - an attribute, not a function
        sqlalchemy_session_persistence = "commit"

    vendor = SubFactory(BoyVendorFactory)
    name = Sequence(lambda n: f"product-{n}")
    email = Sequence(lambda n: f"product-{n}@example.com")
    title = Faker("word")
    amount = Faker("pyint")
    price = Faker("pydecimal", left_digits=6, right_digits=2)
    rating = Faker("pyfloat")
    released = Faker("date_object")
    seen_at = Faker("date_time", tzinfo=dt.UTC)


def _by_hand(number: int) -> dict[str, Any]:
    return {
        "name": f"hand-{number:06d}",
        "email": f"hand-{number:06d}@example.com",
        "title": f"title {number}",
        "amount": random.randint(0, 1000),
        "price": decimal.Decimal(random.randint(0, 999_999)) / 100,
        "rating": random.random(),
        "released": dt.date(2020, 1, 1) + dt.timedelta(days=random.randint(0, 2000)),
        "seen_at": dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(random.randint(0, 2000)),
    }


def _constructed() -> Product:
    number = next(_numbers)
    vendor = Vendor(id=uuid.uuid4(), name=f"hand-{number:06d}")
    return Product(id=uuid.uuid4(), vendor=vendor, active=True, settings={}, **_by_hand(number))


def _poly() -> Any:
    """Return polyfactory's, derived from the models but for what must be unique."""
    # Not installed by the sessions, hence without a class statement that needs its base.
    found: Any = importlib.import_module("polyfactory")
    parent: Any = importlib.import_module("polyfactory.factories.sqlalchemy_factory")
    name = found.Use(lambda: f"poly-{next(_numbers)}")
    make = parent.SQLAlchemyFactory.create_factory
    return make(
        Product,
        __set_relationships__=True,
        vendor=make(Vendor, name=name),
        name=name,
        email=found.Use(lambda: f"poly-{next(_numbers)}@example.com"),
        price=found.Use(lambda: decimal.Decimal(random.randint(0, 999_999)) / 100),
        settings=found.Use(dict),
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--size", type=int, default=1000)
    arguments = parser.parse_args()
    run = new_run()
    try:
        engine = sa.create_engine(run.ensure_postgres().address("postgres").url())
        Base.metadata.create_all(engine)
        _measure(engine, arguments.rounds, arguments.size)
        engine.dispose()
    finally:
        run.close()


def _measure(engine: sa.Engine, rounds: int, size: int) -> None:
    print("| a second, medians | testkit | factory-boy | polyfactory | by hand |")
    print("|---|---|---|---|---|")
    poly = _poly() if importlib.util.find_spec("polyfactory") else None
    few = max(size // 10, 1)
    builders: dict[str, Callable[[], object]] = {
        "testkit": lambda: [ProductFactory.build() for _ in range(few)],
        "factory-boy": lambda: [BoyProductFactory.build() for _ in range(few)],
        "by hand": lambda: [_constructed() for _ in range(few)],
    }
    if poly is not None:
        builders["polyfactory"] = lambda: [poly.build() for _ in range(few)]
    _row("build", interleaved(builders, rounds=rounds), few)

    def written(made: Callable[[Session], object]) -> Callable[[], None]:
        def call() -> None:
            global _session  # noqa: PLW0603 - factory-boy looks it up
            with Session(engine) as session, bound_to(session):
                _session = session
                made(session)

        return call

    _row(
        "create",
        interleaved(
            {
                "testkit": written(lambda _: [ProductFactory.create() for _ in range(few)]),
                "factory-boy": written(lambda _: [BoyProductFactory.create() for _ in range(few)]),
                "by hand": written(_each_by_hand(few)),
            },
            rounds=rounds,
        ),
        few,
    )
    _row(
        f"create_batch({size})",
        interleaved(
            {
                "testkit": written(lambda _: ProductFactory.create_batch(size)),
                "factory-boy": written(lambda _: BoyProductFactory.create_batch(size)),
                "by hand": written(_together_by_hand(size)),
            },
            rounds=max(rounds // 5, 3),
        ),
        size,
    )
    _row(
        f"bulk({10 * size})",
        interleaved(
            {
                "testkit": written(lambda _: ProductFactory.bulk(10 * size)),
                "by hand": written(_inserted_by_hand(10 * size)),
            },
            rounds=max(rounds // 3, 3),
        ),
        10 * size,
    )
    print(f"\n{machine()}")


def _each_by_hand(size: int) -> Callable[[Session], None]:
    def call(session: Session) -> None:
        for _ in range(size):
            session.add(_constructed())
            session.commit()

    return call


def _together_by_hand(size: int) -> Callable[[Session], None]:
    def call(session: Session) -> None:
        session.add_all([_constructed() for _ in range(size)])
        session.commit()

    return call


def _inserted_by_hand(size: int) -> Callable[[Session], None]:
    def call(session: Session) -> None:
        vendor = uuid.uuid4()
        session.execute(sa.insert(Vendor), [{"id": vendor, "name": f"{vendor}"}])
        rows = [
            {
                "id": uuid.uuid4(),
                "vendor_id": vendor,
                "active": True,
                "settings": {},
                **_by_hand(next(_numbers)),
            }
            for _ in range(size)
        ]
        session.execute(sa.insert(Product), rows)
        session.commit()

    return call


def _row(name: str, times: Mapping[str, list[float]], size: int) -> None:
    cells = [
        f"{size / sorted(times[each])[len(times[each]) // 2]:,.0f}" if each in times else ""
        for each in ("testkit", "factory-boy", "polyfactory", "by hand")
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
