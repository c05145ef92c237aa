"""``database.queries``: what counts, where it came from, and how a block fails."""

from __future__ import annotations

import asyncio
import pickle
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import selectinload, undefer

from testkit.core.messages import TestkitError
from testkit.isolation.queries.expectation import UnexpectedQueriesError
from tests.support.family import PARENTS, Child, Parent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import Session

    from testkit.isolation.database import Database
    from testkit.isolation.queries.facts import Recording

FILE = str(Path(__file__).relative_to(Path(__file__).parents[4]))
ONE = sa.text("SELECT 1")


@pytest.fixture
def engine(database: Database) -> Iterator[sa.Engine]:
    """An engine of the application's own."""
    engine = sa.create_engine(database.url())
    yield engine
    engine.dispose()


def texts(recording: Recording) -> list[str]:
    return [fact.statement for fact in recording]


def ask(engine: sa.Engine, times: int = 1) -> None:
    with engine.connect() as connection:
        for _ in range(times):
            connection.execute(ONE)


def ask_for_each(engine: sa.Engine, numbers: Iterable[int]) -> None:
    with engine.connect() as connection:
        for number in numbers:
            connection.execute(sa.text(f"SELECT {number}"))


def read_each(objects: Iterable[object], attribute: str) -> None:
    for found in objects:
        getattr(found, attribute)


def holds(database: Database, limits: dict[str, int], count: int) -> bool:
    try:
        with database.queries.expect(**limits):
            ask(database.engine, count)
    except UnexpectedQueriesError:
        return False
    return True


def read_all(session: Session) -> list[int]:
    counts = []
    for parent in session.scalars(sa.select(Parent)):
        counts.append(len(parent.children))  # noqa: PERF401 - from 3.12 on a comprehension is no frame
    return counts


def test_statements_of_every_engine_of_the_test_s_database_count(
    database: Database, engine: sa.Engine
) -> None:
    with database.queries.expect(exactly=3) as seen:
        ask(engine, 2)
        ask(database.engine)

    assert texts(seen) == ["SELECT 1"] * 3


def test_statements_outside_the_block_do_not_count(database: Database, engine: sa.Engine) -> None:
    ask(engine)
    with engine.connect() as connection:
        connection.execute(ONE)
        with database.queries.expect(exactly=1) as seen:
            connection.execute(sa.text("SELECT 2"))  # on a connection that was open before
        connection.execute(ONE)

    assert texts(seen) == ["SELECT 2"]


def test_statements_for_another_database_or_server_do_not_count(
    database: Database, engine: sa.Engine
) -> None:
    elsewhere = sa.create_engine(sa.make_url(database.url()).set(database="postgres"))
    other_kind = sa.create_engine("sqlite://")
    with database.queries.record() as seen:
        ask(elsewhere)
        ask(other_kind)
        ask(engine)
    for other in (elsewhere, other_kind):
        other.dispose()

    assert len(seen) == 1


def test_what_controls_transactions_and_connections_does_not_count(database: Database) -> None:
    engine = sa.create_engine(database.url(), pool_pre_ping=True)
    with database.queries.expect(exactly=2) as seen:
        with engine.begin() as connection, connection.begin_nested():
            connection.execute(ONE)  # on the first connection of the engine
        with engine.connect() as connection, connection.begin_nested() as savepoint:
            connection.execute(ONE)  # on one from the pool, which was pinged
            savepoint.rollback()
    engine.dispose()

    assert texts(seen) == ["SELECT 1"] * 2


def test_an_engine_with_options_of_its_own_counts_once(
    database: Database, engine: sa.Engine
) -> None:
    with database.queries.record() as seen:
        ask(engine.execution_options(isolation_level="AUTOCOMMIT"))
        ask(engine)

    assert [fact.autocommit for fact in seen] == [True, False]


def test_a_list_of_parameters_is_one_statement(database: Database, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TEMP TABLE t (n int, password text)"))
        with database.queries.expect(exactly=1) as seen:
            connection.execute(
                sa.text("INSERT INTO t VALUES (:n, :password)"),
                [{"n": n, "password": "sesame"} for n in range(5)],
            )

    assert [(fact.executemany, fact.rowcount, fact.parameters) for fact in seen] == [
        (True, 5, "[{'n': 0, 'password': ***}, and 4 more]")
    ]


def test_a_change_of_the_schema_counts(database: Database, engine: sa.Engine) -> None:
    table = sa.Table("t", sa.MetaData(), sa.Column("n", sa.Integer), prefixes=["TEMPORARY"])
    with database.queries.record() as seen, engine.connect() as connection:
        table.create(connection, checkfirst=False)

    assert [text.split()[:3] for text in texts(seen)] == [["CREATE", "TEMPORARY", "TABLE"]]


def test_a_statement_that_fails_counts_and_has_no_time(
    database: Database, engine: sa.Engine
) -> None:
    failing = pytest.raises(sa.exc.DataError)
    with database.queries.expect(exactly=1) as seen, failing, engine.connect() as connection:
        connection.execute(sa.text("SELECT 1 / 0"))

    assert [fact.seconds for fact in seen] == [None]


def test_a_fact_tells_what_was_sent_from_where(database: Database, engine: sa.Engine) -> None:
    with database.queries.record() as seen, engine.connect() as connection:
        connection.execute(sa.text("SELECT :n, :token"), {"n": 7, "token": "sesame"})
    [fact] = seen

    assert fact.origin is not None
    assert (fact.origin.file, fact.origin.function) == (
        FILE,
        "test_a_fact_tells_what_was_sent_from_where",
    )
    assert (fact.parameters, fact.rowcount, fact.autocommit, fact.executemany) == (
        "{'n': 7, 'token': ***}",
        1,
        False,
        False,
    )
    assert fact.seconds is not None
    assert fact.seconds > 0


def test_what_a_driver_is_asked_without_sqlalchemy_does_not_count(database: Database) -> None:
    with database.queries.expect(exactly=0), psycopg.connect(database.url("libpq")) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_thread_that_runs_in_the_block_counts(database: Database, engine: sa.Engine) -> None:
    with database.queries.expect(exactly=6) as seen:
        threads = [threading.Thread(target=ask, args=(engine, 2)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert {fact.origin and fact.origin.function for fact in seen} == {"ask"}


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg"])
async def test_tasks_that_run_in_the_block_count(database: Database, driver: str) -> None:
    engine = create_async_engine(database.url(driver), pool_size=3)

    async def work(number: int) -> None:
        async with engine.connect() as connection:
            await connection.execute(sa.text("SELECT CAST(:number AS int)"), {"number": number})

    with database.queries.expect(exactly=3) as seen:
        await asyncio.gather(*(work(number) for number in range(3)))
    await engine.dispose()

    assert [fact.origin and fact.origin.function.rpartition(".")[2] for fact in seen] == [
        "work"
    ] * 3
    assert all(fact.seconds for fact in seen)


def test_nested_blocks_count_what_was_sent_within_each(
    database: Database, engine: sa.Engine
) -> None:
    with database.queries.record() as outer:
        ask(engine)
        with database.queries.record() as inner:
            ask(engine)
        ask(engine)

    assert (len(outer), len(inner)) == (3, 1)


def test_one_block_may_be_entered_again_and_within_itself(
    database: Database, engine: sa.Engine
) -> None:
    block = database.queries.expect(at_most=2)
    with block as outer:
        ask(engine)
        with block as inner:
            ask(engine)
    with block as again:
        ask(engine)

    assert (len(outer), len(inner), len(again)) == (2, 1, 1)


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [
        ({"exactly": 2}, [2]),
        ({"at_most": 2}, [0, 1, 2]),
        ({"at_least": 2}, [2, 3]),
        ({"at_least": 1, "at_most": 2}, [1, 2]),
        ({"exactly": 0}, [0]),
    ],
)
def test_a_block_holds_where_the_number_is_as_expected(
    database: Database, limits: dict[str, int], allowed: list[int]
) -> None:
    held = [count for count in range(4) if holds(database, limits, count)]

    assert held == allowed


def test_the_error_says_what_was_expected(database: Database) -> None:
    words = []
    for limits in (
        {"exactly": 1},
        {"at_least": 1, "at_most": 3},
        {"at_least": 2, "each_at_most": 1},
    ):
        with pytest.raises(UnexpectedQueriesError) as caught, database.queries.expect(**limits):
            pass
        words.append(caught.value.values["expected"])

    assert words == [
        "exactly 1 statement",
        "at least 1 and at most 3 statements",
        "at least 2 statements",
    ]


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({}, "without a number"),
        ({"exactly": 1, "at_most": 2}, "exactly stands alone"),
        ({"exactly": 1, "at_least": 0}, "exactly stands alone"),
        ({"at_least": 3, "at_most": 2}, "at_least = 3 is more than at_most = 2"),
        ({"at_most": -1}, "at_most = -1 is no whole number from 0 on"),
        ({"at_most": True}, "at_most = True is no whole number"),
        ({"at_most": 1.5}, "at_most = 1.5 is no whole number"),
        ({"exactly": "3"}, "exactly = '3' is no whole number"),
        ({"each_at_most": 0}, "each_at_most = 0 is no whole number from 1 on"),
    ],
)
def test_numbers_that_make_no_sense_are_told_before_the_block(
    database: Database, limits: Any, problem: str
) -> None:
    with pytest.raises(TestkitError, match="TK323") as caught:
        database.queries.expect(**limits)

    assert problem in str(caught.value)
    assert not isinstance(caught.value, AssertionError)
    assert f"  where: {FILE}:" in str(caught.value)


def test_the_error_lists_the_statements_with_their_origins(
    database: Database, db_session: Session
) -> None:
    failing = pytest.raises(AssertionError)
    with failing as caught, database.queries.expect(at_most=2):
        read_all(db_session)
        db_session.execute(ONE)
    lines = str(caught.value).splitlines()

    assert (
        lines[0] == f"TK321: This block was to send at most 2 statements, but sent {PARENTS + 2}."
    )
    assert [FILE in lines[1], "test_the_error_lists_the" in lines[1]] == [True, True]
    assert [line.split(", ")[0].split()[-2:] for line in lines if " ms" in line] == [
        [f"{PARENTS}", "times"],
        ["1", "time"],
        ["1", "time"],
    ]
    assert sum(line.endswith(" in read_all") for line in lines) == 2
    assert any(re.search(r"^ +first with \{.*, 'param_3': 1\}$", line) for line in lines)
    assert lines[-1] == "  run:   testkit explain TK321"


def test_an_exception_of_the_block_wins(database: Database) -> None:
    with pytest.raises(LookupError, match="the block's own"), database.queries.expect(exactly=5):
        raise LookupError("the block's own")


def test_a_relationship_that_is_loaded_lazily_in_a_loop_is_named(
    database: Database, db_session: Session
) -> None:
    with pytest.raises(UnexpectedQueriesError) as caught, database.queries.expect(each_at_most=2):
        read_all(db_session)

    assert caught.value.code == "TK322"
    assert caught.value.values["sent"] == PARENTS
    assert "load Parent with .options(selectinload(Parent.children))" in str(caught.value)


def test_what_the_error_says_to_write_holds(database: Database, db_session: Session) -> None:
    with database.queries.expect(exactly=2, each_at_most=1):
        parents = db_session.scalars(sa.select(Parent).options(selectinload(Parent.children)))
        counts = [len(parent.children) for parent in parents]

    assert counts == [2] * PARENTS


def test_a_relationship_to_one_that_is_loaded_in_a_loop_is_named(
    database: Database, db_session: Session
) -> None:
    children = db_session.scalars(sa.select(Child)).all()
    with pytest.raises(UnexpectedQueriesError) as caught, database.queries.expect(each_at_most=2):
        read_each(children, "parent")

    assert "load Child with .options(selectinload(Child.parent))" in str(caught.value)


@pytest.mark.parametrize("attribute", ["id", "name"])
def test_columns_that_are_deferred_or_expired_are_named_too(
    database: Database, db_session: Session, attribute: str
) -> None:
    parents = db_session.scalars(sa.select(Parent)).all()
    if attribute == "id":
        db_session.expire_all()
    with pytest.raises(UnexpectedQueriesError) as caught, database.queries.expect(each_at_most=2):
        read_each(parents, attribute)

    assert "columns of Parent were loaded object by object" in str(caught.value)


def test_columns_that_are_undeferred_come_with_the_objects(
    database: Database, db_session: Session
) -> None:
    with database.queries.expect(exactly=1):
        parents = db_session.scalars(sa.select(Parent).options(undefer(Parent.name)))
        names = [parent.name for parent in parents]

    assert names == [f"p{number}" for number in range(1, PARENTS + 1)]


def test_a_loop_of_one_s_own_is_found_also_where_values_stand_in_the_text(
    database: Database, engine: sa.Engine
) -> None:
    with pytest.raises(UnexpectedQueriesError) as caught, database.queries.expect(each_at_most=2):
        ask_for_each(engine, range(3))

    assert "N+1: sent in a loop; send one for all" in str(caught.value)


def test_the_same_statement_with_the_same_parameters_is_no_n_plus_1(
    database: Database, engine: sa.Engine
) -> None:
    with database.queries.expect(each_at_most=1) as seen:
        ask(engine, 5)

    assert len(seen) == 5


async def test_a_relationship_that_is_loaded_behind_run_sync_is_named(
    database: Database, async_db_session: AsyncSession
) -> None:
    failing = pytest.raises(UnexpectedQueriesError, match=r"selectinload\(Parent.children\)")
    with failing, database.queries.expect(each_at_most=2):
        await async_db_session.run_sync(read_all)


def test_a_statement_that_a_result_loads_further_is_no_lazy_load(
    database: Database, db_session: Session
) -> None:
    with database.queries.record() as seen:
        child = db_session.scalars(sa.select(Child).limit(1)).one()
        _ = child.parent
        db_session.scalars(sa.select(Parent).options(selectinload(Parent.children))).all()

    loads = [fact.lazy_load and (fact.lazy_load.owner, fact.lazy_load.attribute) for fact in seen]
    assert loads == [None, ("Child", "parent"), None, None]


def test_an_error_crosses_processes_as_what_it_is(database: Database) -> None:
    with pytest.raises(UnexpectedQueriesError) as caught, database.queries.expect(at_least=1):
        pass
    copy = pickle.loads(pickle.dumps(caught.value))

    assert (type(copy), str(copy)) == (UnexpectedQueriesError, str(caught.value))


def test_nothing_listens_before_the_first_block_and_after_the_test(database: Database) -> None:
    queries = database.queries
    before = queries._watch.listening
    block = queries.record()
    unused = queries._watch.listening
    left_open = block.__enter__()
    during = queries._watch.listening
    ask(database.engine)
    database.finish_test()
    ask(database.engine)

    assert (before, unused, during, queries._watch.listening) == (False, False, True, False)
    assert len(left_open) == 1
