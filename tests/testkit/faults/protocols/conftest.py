"""A relay of a few lines in front of this test's database, and rules for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg
import pytest

from testkit.faults.protocols.conversation import postgres_conversation
from testkit.faults.protocols.postgres_rules import PostgresRules
from tests.support.passing import Passing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.faults.protocols.rules import Rule
    from testkit.isolation.database import Database


@pytest.fixture
def passing(database: Database) -> Iterator[Passing]:
    place = urlsplit(database.url("libpq"))
    assert place.hostname
    assert place.port
    with Passing((place.hostname, place.port), postgres_conversation) as passing:
        yield passing


@pytest.fixture
def rules(passing: Passing) -> PostgresRules[Rule]:
    return PostgresRules(passing.declare)


@pytest.fixture
def url(database: Database, passing: Passing) -> str:
    port = urlsplit(database.url("libpq")).port
    return database.url("libpq").replace(f":{port}/", f":{passing.port}/")


@pytest.fixture
def outbox(database: Database) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection past the relay, to a database with a table."""
    with psycopg.connect(database.url("libpq"), autocommit=True) as direct:
        direct.execute("CREATE TABLE outbox (id int PRIMARY KEY)")
        yield direct
        direct.execute("DROP TABLE outbox")
