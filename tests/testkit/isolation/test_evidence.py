"""What the report of a failed test says of its database."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import ProgrammingError

from testkit.isolation.evidence import Evidence
from tests.support.journalled import PEOPLE, Journalled, journalled
from tests.support.suites import Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer

UPDATE: Final = "UPDATE people SET score = 1 WHERE name = 'ada'"


@pytest.fixture(scope="module")
def people(postgres_server: PostgresServer) -> Iterator[Journalled]:
    with journalled(postgres_server, *PEOPLE) as database:
        yield database


@pytest.fixture
def evidence(people: Journalled) -> Iterator[Evidence]:
    found = Evidence(people.server, people.name)
    found.statements.start()
    yield found
    found.statements.stop()


@contextmanager
def engine_of(people: Journalled, **options: bool) -> Iterator[Engine]:
    engine = create_engine(people.server.address(people.name).url(), **options)
    try:
        yield engine
    finally:
        engine.dispose()


class Unspeakable:
    def __repr__(self) -> str:
        raise AssertionError("somebody asked for its repr")


def test_there_is_nothing_to_tell_of_a_test_that_asked_nothing(evidence: Evidence) -> None:
    assert evidence.told() is None


def test_the_last_ten_statements_are_told_with_times(
    people: Journalled, evidence: Evidence
) -> None:
    with engine_of(people) as engine, engine.connect() as connection:
        for number in range(12):
            connection.execute(text("SELECT :number"), {"number": number})
    told = (evidence.told() or "").splitlines()

    assert len(told) == 11
    assert re.search(r"^ +\d+\.\d ms  SELECT %\(number\)s(::\w+)?  {'number': 2}$", told[1]), told


def test_neither_secrets_nor_what_the_engine_hides_nor_objects_are_told(
    people: Journalled, evidence: Evidence
) -> None:
    with engine_of(people) as engine, engine.connect() as connection:
        connection.execute(text("SELECT :password"), {"password": "one"})
        with pytest.raises(ProgrammingError):
            connection.exec_driver_sql("SELECT %(it)s", {"it": Unspeakable()})
    with engine_of(people, hide_parameters=True) as engine, engine.connect() as connection:
        connection.execute(text("SELECT :it"), {"it": "two"})
    told = evidence.told() or ""

    assert "***" in told
    assert "no end  SELECT %(it)s  {'it': <Unspeakable>}" in told
    assert "one" not in told
    assert "two" not in told


def test_what_went_before_the_test_and_to_other_databases_is_not_told(
    people: Journalled, evidence: Evidence, postgres_server: PostgresServer
) -> None:
    with engine_of(people) as engine, engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    evidence.statements.forget()
    other = create_engine(postgres_server.url)
    with other.connect() as connection:
        connection.execute(text("SELECT 2"))
    other.dispose()

    assert evidence.told() is None


def test_open_transactions_are_told_with_who_waits_for_whom(
    people: Journalled, evidence: Evidence
) -> None:
    def wait() -> None:
        with people.connect() as connection:
            connection.execute("BEGIN")
            connection.execute(UPDATE.encode())
            connection.execute("ROLLBACK")

    waiting = threading.Thread(target=wait)
    with people.connect() as holder:
        holder.execute("BEGIN")
        holder.execute(UPDATE.encode())
        waiting.start()
        try:
            wait_until(lambda: "waits for" in (evidence.told() or ""))
            told = evidence.told() or ""
        finally:
            holder.execute("ROLLBACK")
            waiting.join()
        pid = holder.info.backend_pid

    assert re.search(rf"pid {pid} '', idle in transaction, open for \d\.\d s", told), told
    assert f"last statement: {UPDATE}" in told
    assert "holds RowExclusiveLock on people" in told
    assert f"waits for ShareLock on transactionid, held by pid {pid}" in told


@pytest.mark.slow
def test_only_the_report_of_a_failed_test_that_used_its_database_tells(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        from sqlalchemy import text

        def test_fails(db_session):
            db_session.execute(text("SELECT 40 + 2"))
            assert False

        def test_passes(db_session):
            db_session.execute(text("SELECT 43"))

        def test_fails_without():
            assert False
    """,
    )

    outcome = suite.run()

    outcome.check(code=1, failed=2, passed=1)
    assert outcome.text.count("- testkit -") == 1
    assert re.search(r"\d ms  SELECT 40 \+ 2\n", outcome.text)
    assert re.search(r"pid \d+ '.*', idle in transaction, .*SELECT 40 \+ 2\n", outcome.text)
