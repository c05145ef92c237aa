"""Objects that tests could not read, found in what a shared fixture gives."""

from dataclasses import dataclass

import pytest
from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from testkit.isolation.mapped import unreadable


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shops"

    id: Mapped[int] = mapped_column(primary_key=True)


class Unreadable:
    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


@dataclass(slots=True)
class Town:
    shop: Shop


NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


@pytest.mark.parametrize(
    "value",
    [
        create_engine(NOWHERE),
        create_async_engine(NOWHERE),
        create_async_engine(NOWHERE).connect(),
        Unreadable(),
    ],
    ids=["engine", "async engine", "async connection", "stranger"],
)
def test_what_is_no_mapped_object_is_not_asked_for_anything(value: object) -> None:
    assert unreadable(value) == []
    assert unreadable({"inside": [value]}) == []


def test_an_object_in_a_dataclass_with_slots_is_found() -> None:
    with Session(create_engine(NOWHERE)) as session:
        shop = Shop()
        session.add(shop)

        assert unreadable(Town(shop)) == ["  Shop: its session is not closed"]
