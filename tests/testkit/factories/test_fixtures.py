"""Factories as fixtures of the module that registers them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, object_session

from testkit.core.messages import TestkitError
from testkit.factories import Factory, fixtures, register
from testkit.pytest_plugin import fixtures as plugin

if TYPE_CHECKING:
    from testkit.isolation.database import Database


class Base(DeclarativeBase):
    pass


class HTTPRoute(Base):
    __tablename__ = "http_route"
    id: Mapped[int] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(sa.String(30), unique=True)


class HTTPRouteFactory(Factory[HTTPRoute]):
    pass


register(HTTPRouteFactory)
register(HTTPRouteFactory, name="other_route")


@pytest.fixture(autouse=True)
def tables(database: Database) -> None:
    Base.metadata.create_all(database.engine)


def test_a_row_and_its_factory_are_fixtures(
    http_route: HTTPRoute, http_route_factory: type[HTTPRouteFactory], db_session: Session
) -> None:
    assert http_route_factory is HTTPRouteFactory
    assert object_session(http_route) is db_session


def test_another_name_can_be_chosen(http_route: HTTPRoute, other_route: HTTPRoute) -> None:
    assert http_route.id != other_route.id


async def test_they_serve_asynchronous_tests(http_route: HTTPRoute) -> None:
    assert http_route.id > 0


@pytest.mark.parametrize("name", [None, "database", "request", "team lead", "class", ""])
def test_a_name_that_is_taken_or_none_is_refused(name: str | None) -> None:
    with pytest.raises(TestkitError) as caught:
        register(HTTPRouteFactory, name=name)

    assert caught.value.code == "TK409"


def test_what_is_no_factory_is_refused() -> None:
    with pytest.raises(TestkitError) as caught:
        register(HTTPRoute)

    assert caught.value.code == "TK405"


def test_the_names_that_are_taken_are_those_of_the_plugins_fixtures() -> None:
    own = {name for name in plugin.__all__ if name != "testkit_closing"}

    assert {*own, "request"} == fixtures._TAKEN
