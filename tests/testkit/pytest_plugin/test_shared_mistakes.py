"""What a set-up of a shared fixture gets wrong is an error of its own, and harms no other test."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite
from tests.testkit.pytest_plugin.test_shared import CONFTEST, ENV, MODELS

if TYPE_CHECKING:
    from pathlib import Path

# Each fixture is asked for by two tests: the second must not get what the first did not.
MISTAKES = {
    "closed_without_commit": (
        "TK344",
        "INSERT INTO shop (name)",
        """
        with database.session() as session:
            session.add(Shop(name="lost"))
            session.flush()
        yield 1
        """,
    ),
    "never_sent": (
        "TK344",
        "a Shop that was added to a session and never sent",
        """
        with database.session() as session:
            session.add(Shop(name="lost"))
        yield 1
        """,
    ),
    "core_without_commit": (
        "TK344",
        "INSERT INTO shop (name) VALUES ('lost')",
        """
        with database.engine.connect() as connection:
            connection.execute(text("INSERT INTO shop (name) VALUES ('lost')"))
        with database.engine.begin() as connection:
            connection.execute(text("INSERT INTO shop (name) VALUES ('kept')"))
        yield 1
        """,
    ),
    "driver_without_commit": (
        "TK344",
        "a driver without SQLAlchemy",
        """
        connection = psycopg.connect(database.url("libpq"))
        connection.execute("INSERT INTO shop (name) VALUES ('lost')")
        connection.close()
        yield 1
        """,
    ),
    "open_session": (
        "TK343",
        "INSERT INTO shop (name)",
        """
        with database.session() as session:
            session.add(Shop(name="kept"))
            session.commit()
            session.add(Shop(name="lost"))
            session.flush()
            yield 1
            ended.append("open_session")
        """,
    ),
    "left_session": (
        "TK343",
        "INSERT INTO shop (name)",
        """
        left.append(database.session())
        left[-1].add(Shop(name="lost"))
        left[-1].flush()
        yield 1
        """,
    ),
    "open_driver": (
        "TK343",
        "INSERT INTO shop (name) VALUES ('lost')",
        """
        left.append(psycopg.connect(database.url("libpq")))
        left[-1].execute("INSERT INTO shop (name) VALUES ('lost')")
        yield 1
        """,
    ),
    "read_behind_the_commit": (
        "TK343",
        "SELECT shop.id",
        """
        with database.session() as session:
            shop = Shop(name="kept")
            session.add(shop)
            session.commit()
            yield shop.id
        """,
    ),
    "expired_object": (
        "TK345",
        "Shop: expired by the commit, and its session is closed",
        """
        with database.session() as session:
            shop = Shop(name="kept")
            session.add(shop)
            session.commit()
        yield {"shops": [shop]}
        """,
    ),
    "attached_object": (
        "TK345",
        "Shop: its session is not closed",
        """
        with database.session() as session:
            shop = Shop(name="kept")
            session.add(shop)
            session.commit()
            yield shop
        """,
    ),
    "failing": (
        "ZeroDivisionError",
        "1 / 0",
        """
        with database.session() as session:
            session.add(Shop(name="committed before it failed"))
            session.commit()
        cache.set("of", "the failing one")
        yield 1 / 0
        """,
    ),
}


def fixture(name: str, body: str) -> str:
    lines = "\n".join("    " + line.strip("\n")[8:] for line in body.strip("\n").splitlines())
    return f"""
@testkit.shared(scope="class")
def {name}(database):
{lines}

class Test_{name}:
    def test_one(self, {name}):
        pass

    def test_two(self, {name}):
        pass

def test_after_{name}(names):
    assert names() == []
    assert cache.dbsize() == 0
    with database_lock() as connection:
        connection.execute(text("LOCK TABLE shop IN ACCESS EXCLUSIVE MODE NOWAIT"))
"""


HEAD = """
import psycopg
import pytest
import testkit
from conftest import cache, database_lock
from models import Shop
from sqlalchemy import text

left, ended = [], []
"""
LOCK = """
    engine = create_engine(os.environ["DATABASE_URL"])
    database_lock = engine.begin
"""


@pytest.mark.slow
@pytest.mark.parametrize("server", ["its own", "of others, no superuser"])
def test_each_mistake_is_an_error_at_set_up_and_leaves_nothing(
    tmp_path: Path, request: pytest.FixtureRequest, server: str
) -> None:
    suite = Suite(tmp_path, models=MODELS, conftest=CONFTEST + LOCK)
    suite.configure(ENV)
    if server != "its own":
        suite.configure(ENV + f'    postgres = "{request.getfixturevalue("guest")}"\n')
    text = HEAD + "".join(fixture(name, body) for name, (_, _, body) in MISTAKES.items())
    (suite.folder / "test_it.py").write_text(
        text + '\n\ndef test_its_teardown_ran():\n    assert ended == ["open_session"]\n'
    )
    outcome = suite.run("-p", "no:randomly", "-n", "0")

    outcome.check(code=1, error=2 * len(MISTAKES), passed=len(MISTAKES) + 1)
    assert "TK302" not in outcome.text
    for name, (code, words, _) in MISTAKES.items():
        said = re.findall(
            rf"_ ERROR at setup of Test_{name}\.test_\w+ _(.*?)\n[_=]{{2}}", outcome.text, re.DOTALL
        )
        assert len(said) == 2
        assert all(code in each and words in each for each in said), said
        if code.startswith("TK"):
            assert all(f"class fixture {name} " in each for each in said), said
            assert all(re.search(rf"test_it\.py:\d+ in {name}", each) for each in said), said


MEANT = """
import contextlib
import threading
import psycopg
import pytest
import testkit
from models import Shop
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError

def add(name):
    return insert(Shop).values(name=name)

@testkit.shared
def rolls_back_on_purpose(database):
    with database.session() as session:
        session.add(Shop(name="no"))
        session.flush()
        session.rollback()
        session.add(Shop(name="one"))
        session.commit()
        session.add(Shop(name="one"))
        with contextlib.suppress(IntegrityError):
            session.commit()
        session.rollback()
    with database.session() as session, session.begin():
        session.execute(add("two"))
        with contextlib.suppress(ZeroDivisionError), session.begin_nested():
            session.execute(add("no"))
            1 / 0
    with contextlib.suppress(ZeroDivisionError), database.engine.begin() as connection:
        connection.execute(add("no"))
        1 / 0

@testkit.shared
def takes_an_object_out_again(database):
    with database.session() as session:
        shop = Shop(name="no")
        session.add(shop)
        session.expunge(shop)

@testkit.shared
def uses_the_driver(database):
    with psycopg.connect(database.url("libpq")) as connection:
        connection.execute("INSERT INTO shop (name) VALUES ('three')")

@testkit.shared
def commits_by_itself(database):
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(add("four"))

@testkit.shared
def writes_to_a_temporary_table(database):
    with database.engine.connect() as connection:
        connection.execute(text("CREATE TEMP TABLE aside (n int)"))
        connection.execute(text("INSERT INTO aside VALUES (1)"))

@testkit.shared
def changes_nothing(database):
    with database.engine.connect() as connection:
        connection.execute(text("UPDATE shop SET name = 'no' WHERE false"))

@testkit.shared
def holds_a_connection(database):
    with database.engine.connect() as connection, database.session() as session:
        session.execute(add("five"))
        session.commit()
        connection.execute(text("SELECT 1"))
        connection.commit()
        yield connection

@testkit.shared
def works_in_a_thread(database):
    begun, go_on = threading.Event(), threading.Event()

    def work():
        with database.engine.begin() as connection:
            connection.execute(text("SELECT count(*) FROM shop"))
            begun.set()
            go_on.wait()

    thread = threading.Thread(target=work)
    thread.start()
    begun.wait()
    yield
    go_on.set()
    thread.join()

@testkit.shared
def needs_no_database():
    return 1

@pytest.mark.parametrize("n", range(2))
def test_it(n, rolls_back_on_purpose, takes_an_object_out_again, uses_the_driver, commits_by_itself,
            writes_to_a_temporary_table, changes_nothing, holds_a_connection, works_in_a_thread, needs_no_database,
            names):
    assert names() == ["five", "four", "one", "three", "two"]
    assert holds_a_connection.scalar(text("SELECT count(*) FROM shop")) == 5
    holds_a_connection.commit()
"""


@pytest.mark.slow
def test_what_is_meant_is_no_mistake(tmp_path: Path) -> None:
    suite = Suite(tmp_path, models=MODELS, conftest=CONFTEST)
    suite.configure(ENV)
    suite.write("test_it.py", MEANT)
    outcome = suite.run()

    outcome.check(passed=2)


@pytest.mark.slow
def test_a_wider_fixture_that_asks_for_a_test_s_own_is_told_what_to_ask_for(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import pytest
        import testkit

        @testkit.shared
        def shop(db_session):
            pass

        @pytest.fixture(scope="session")
        def cache(redis_client):
            pass

        @pytest.fixture
        def own():
            pass

        @testkit.shared
        def other(own):
            pass

        def test_shop(shop):
            pass

        def test_cache(cache):
            pass

        def test_other(other):
            pass
    """,
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, error=3)
    assert outcome.text.count("TK347: A fixture of scope") == 2
    assert "`database`, and write: with database.session() as session:" in outcome.text
    assert "`redis_server`, and write: with Redis.from_url" in outcome.text
