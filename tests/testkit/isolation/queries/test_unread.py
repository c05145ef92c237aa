"""A row is read by whatever names its table, its neighbours or what may hide it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
import sqlalchemy as sa

from testkit.isolation.queries.facts import Sent
from testkit.isolation.queries.unread import Schema, StatementsOfTest, use_of
from testkit.isolation.queries.unseen import schema_of

if TYPE_CHECKING:
    from testkit.isolation.database import Database

SCHEMA: Final = Schema(
    references=frozenset({("order", "customer"), ("customer", "region"), ("line", "order")}),
    opaque=frozenset({"v_orders", "report"}),
    triggered=frozenset({"audited"}),
)
WRITTEN: Final = (True, 'INSERT INTO "order" (customer_id) VALUES (%(customer_id)s) RETURNING id')


def use(*others: str, written: str = WRITTEN[1]) -> str:
    return use_of([(True, written), *((False, each) for each in others)], lambda: SCHEMA)


@pytest.mark.parametrize(
    "statement",
    [
        'SELECT * FROM public."order"',
        'UPDATE "order" SET x = 1',
        'DELETE FROM ONLY "order"',
        'DO $$ BEGIN PERFORM * FROM "order"; END $$',
        "SELECT 'order'::regclass",
        "INSERT INTO line (order_id) VALUES (1)",
        "UPDATE line SET order_id = 2",
        "DELETE FROM customer",
        "WITH gone AS (DELETE FROM customer RETURNING 1) SELECT * FROM gone",
    ],
)
def test_a_row_is_read_by_what_names_its_table_or_checks_its_key(statement: str) -> None:
    assert use(statement) == "read"


@pytest.mark.parametrize(
    "statement",
    ["SELECT 1", "SELECT * FROM orders", "SELECT * FROM customer", "DELETE FROM region"],
)
def test_it_is_not_by_anything_else(statement: str) -> None:
    assert (use(), use(statement)) == ("unread", "unread")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM v_orders",
        "SELECT report(1)",
        "CALL anything()",
        "EXECUTE prepared",
        "INSERT INTO audited VALUES (1)",
    ],
)
def test_what_may_read_anything_makes_it_unclear(statement: str) -> None:
    assert use(statement) == "unclear"
    assert use(statement, 'SELECT FROM "order"') == "read"


def test_only_what_comes_behind_the_first_row_counts() -> None:
    told = [(False, 'TRUNCATE "order"'), WRITTEN]

    assert use_of(told, lambda: SCHEMA) == "unread"


def test_rows_that_nobody_saw_written_are_unclear() -> None:
    assert use_of([], lambda: SCHEMA) == "unclear"
    assert use_of([(True, "SELECT 1"), (False, "SELECT 2")], lambda: SCHEMA) == "unclear"


@pytest.mark.parametrize(
    ("written", "statement"),
    [
        ('INSERT INTO sales."Two ""words""" DEFAULT VALUES', 'SELECT FROM "Two ""words"""'),
        ("insert into Sales.Thing(a) values (1)", "select from thing"),
        ("WITH x AS (SELECT 1) INSERT INTO a$b SELECT * FROM x", "SELECT FROM a$b"),
        ('INSERT INTO "Größe" DEFAULT VALUES', 'SELECT FROM "Größe"'),
    ],
)
def test_names_are_told_with_their_quotes(written: str, statement: str) -> None:
    assert use(statement, written=written) == "read"
    assert use("SELECT FROM other", written=written) == "unread"


def test_statements_are_told_apart_by_who_sends_them() -> None:
    senders = iter(["nobody", "test", "others"])
    recording = StatementsOfTest(lambda: next(senders))  # type: ignore[arg-type]
    for statement in ("a", "b", "c"):
        recording.add(Sent(statement))

    assert recording.told == [(False, "a"), (True, "b")]


def test_the_database_says_what_may_read_a_table(database: Database) -> None:
    with database.engine.begin() as connection:
        for statement in (
            "CREATE TABLE parent_of (id int PRIMARY KEY)",
            'CREATE TABLE "Child" (id int REFERENCES parent_of)',
            "CREATE VIEW seen AS SELECT * FROM parent_of",
            "CREATE TABLE divided (id int) PARTITION BY LIST (id)",
            "CREATE TABLE part PARTITION OF divided DEFAULT",
            "CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "CREATE TRIGGER t BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION counted()",
        ):
            connection.execute(sa.text(statement))
    with database.engine.connect() as connection:
        schema = schema_of(connection.connection.driver_connection)  # type: ignore[arg-type]

    assert ("child", "parent_of") in schema.references
    assert {"seen", "divided", "part", "counted"} <= schema.opaque
    assert "part" in schema.triggered
    assert not {"parent_of", "child"} & (schema.opaque | schema.triggered)
