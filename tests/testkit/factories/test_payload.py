"""The body of a request from the factory of the row that it makes."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import uuid
from typing import Any

import factory
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from testkit.factories import Factory
from testkit.factories.payload import as_json


class Base(DeclarativeBase):
    pass


class Kind(enum.Enum):
    LARGE = "large"


class Warehouse(Base):
    __tablename__ = "warehouse"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(unique=True)


class Parcel(Base):
    __tablename__ = "parcel"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    warehouse_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("warehouse.id"))
    kind: Mapped[Kind]
    weight: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(6, 2))
    sent_at: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    labels: Mapped[list[str]] = mapped_column(pg.ARRAY(sa.Text), default=list)
    stackable: Mapped[bool] = mapped_column(default=True)
    note: Mapped[str | None]
    created_at: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    warehouse: Mapped[Warehouse] = relationship()


class WarehouseFactory(Factory[Warehouse]):
    pass


class ParcelFactory(Factory[Parcel]):
    class Params:
        fragile = factory.Trait(note="fragile")  # type: ignore[attr-defined,no-untyped-call]  # its stubs
        bulky = factory.Trait(labels=["bulky"], stackable=False)  # type: ignore[attr-defined,no-untyped-call]  # factory-boy's
        small = factory.Trait(labels=["small"])  # type: ignore[attr-defined,no-untyped-call]  # factory-boy's
        huge = factory.Trait(bulky=True)  # type: ignore[attr-defined,no-untyped-call]  # factory-boy's


def test_it_holds_what_the_model_needs_and_has_no_default_for() -> None:
    body = ParcelFactory.payload()

    assert set(body) == {"kind", "weight", "sent_at"}
    assert json.loads(json.dumps(body)) == body
    assert body["kind"] == "large"
    assert dt.datetime.fromisoformat(body["sent_at"]).tzinfo is not None


def test_what_is_given_or_declared_or_by_a_trait_is_in_it() -> None:
    body = ParcelFactory.payload(labels=("a", "b"), fragile=True)

    assert (body["labels"], body["note"]) == (["a", "b"], "fragile")


def test_a_trait_that_is_not_asked_for_leaves_a_column_to_the_model() -> None:
    assert not {"labels", "stackable"} & ParcelFactory.payload(bulky=False).keys()


@pytest.mark.parametrize("trait", ["bulky", "huge"])
def test_a_trait_of_a_column_with_a_default_is_in_it(trait: str) -> None:
    body = ParcelFactory.payload(**{trait: True})

    assert (body["labels"], body["stackable"]) == (["bulky"], False)


def test_a_parent_is_in_it_by_its_key_and_none_is_made() -> None:
    warehouse = WarehouseFactory.build()
    with WarehouseFactory.default(warehouse):
        by_default = ParcelFactory.payload()

    assert ParcelFactory.payload(warehouse=warehouse)["warehouse_id"] == str(warehouse.id)
    assert by_default["warehouse_id"] == str(warehouse.id)


def test_names_in_it_are_unique() -> None:
    assert WarehouseFactory.payload() != WarehouseFactory.payload()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), "1.50"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(1, 2), "01:02:00"),
        (dt.timedelta(days=1, seconds=2), "P1DT2S"),
        (b"\x00\xff", "AP8="),
        (b"text", "text"),
        (dt.timedelta(microseconds=1), "P0DT0.000001S"),
        ({1: (Kind.LARGE, None)}, {"1": ["large", None]}),
        (1.5, 1.5),
        (pg.Range(1, 3), "[1,3)"),
    ],
)
def test_each_type_becomes_one_that_json_has(value: Any, expected: object) -> None:
    assert as_json(value) == expected
