"""An empty-bodied factory of any model makes rows that Postgres takes, each different."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from testkit.factories import Factory
from tests.support.model_shapes import SHAPES, Base

if TYPE_CHECKING:
    from testkit.isolation.database import Database

MANY = pytest.mark.parametrize("rows", [8, pytest.param(200, marks=pytest.mark.slow)])
EACH = pytest.mark.parametrize("model", SHAPES, ids=lambda model: model.__name__)


@pytest.fixture(scope="module")
def tables(database: Database) -> Database:
    with database.engine.begin() as connection:
        connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS citext"))
        connection.execute(sa.text("CREATE SCHEMA IF NOT EXISTS elsewhere"))
        Base.metadata.create_all(connection)
    return database


def empty_factory(model: type) -> Any:
    metaclass: Any = type(Factory)
    return metaclass("EmptyFactory", (Factory,), {"Meta": type("Meta", (), {"model": model})})


def test_there_are_forty_of_them() -> None:
    assert len(SHAPES) >= 40


@MANY
@EACH
def test_rows_are_taken_one_by_one_together_and_in_bulk(
    tables: Database, model: type, rows: int
) -> None:
    factory = empty_factory(model)
    made = [factory.create() for _ in range(3)] + factory.create_batch(rows - 3)
    with tables.session() as session:
        count = sa.select(sa.func.count()).select_from(model)
        created = session.scalar(count) or 0
        keys = factory.bulk(rows)
        more = (session.scalar(count) or 0) - created

    assert created == rows
    assert more in {rows, rows + 1}  # one more where a row's parent is one of its own kind
    assert len({sa.inspect(each).identity for each in made}) == rows
    assert len(set(keys)) == rows


@EACH
def test_one_is_built_without_a_database(model: type) -> None:
    made = empty_factory(model).build()

    assert sa.inspect(made).transient
