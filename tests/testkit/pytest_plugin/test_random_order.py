"""Suites in random order, over and over: no test sees another's data."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.alembic_project import AlembicProject
from tests.support.sizes import seed_of, sized
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

TESTS: Final = 300
CONFIGURATION: Final = """
    schema = "alembic"
    env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }
"""
# Not pytest-randomly: loaded by -p, it has no seed in the workers of xdist.
ORDER: Final = """
    import os, random

    def pytest_collection_modifyitems(items):
        random.Random(os.environ["ORDER"]).shuffle(items)
"""
# Each kind of test begins with a look at everything that any of the others leaves behind.
SUITE: Final = """
    import os, threading
    import pytest
    import redis
    import sqlalchemy as sa

    engine = sa.create_engine(os.environ["DATABASE_URL"], pool_size=3)
    other = sa.create_engine(os.environ["DATABASE_URL"], poolclass=sa.NullPool)
    store = redis.Redis.from_url(os.environ["REDIS_URL"])

    @pytest.fixture(scope="session", autouse=True)
    def closed():
        yield
        engine.dispose()
        store.close()

    def ask(connection, words, **values):
        return connection.execute(sa.text(words), values).scalar()

    @pytest.fixture(autouse=True)
    def nothing_of_others():
        with other.begin() as connection:
            assert ask(connection, "SELECT count(*) FROM shop") == 0
            assert ask(connection, "SELECT count(*) FROM item") == 1
            assert ask(connection, "SELECT is_called FROM numbers") is False
            assert ask(connection, "SELECT count(*) FROM pg_largeobject_metadata") == 0
            assert ask(connection, "SELECT count(*) FROM pg_class WHERE relname = 'made'") == 0
        assert store.dbsize() == 0
        assert store.pubsub_channels() == []

    def inserts(n):
        with engine.begin() as connection:
            ask(connection, "INSERT INTO shop VALUES (1, 'one') RETURNING id")
        with other.begin() as connection:
            assert ask(connection, "SELECT count(*) FROM shop") == 1

    def counts_in_a_sequence(n):
        with engine.begin() as connection:
            assert [ask(connection, "SELECT nextval('numbers')") for _ in range(3)] == [1, 2, 3]

    def changes_what_was_there(n):
        with engine.begin() as connection:
            assert ask(connection, "UPDATE item SET name = :n WHERE id = 1 RETURNING id", n=str(n)) == 1
            assert ask(connection, "INSERT INTO item (name) VALUES ('more') RETURNING id") == 2
        with other.begin() as connection:
            assert ask(connection, "DELETE FROM item WHERE id = 1 RETURNING name") == str(n)

    def uses_redis(n):
        assert store.incr("count") == 1
        assert store.rpush("list", n) == 1
        with redis.Redis.from_url(os.environ["REDIS_URL"].replace("/0", "/3")) as third:
            assert third.sadd("set", n) == 1

    def uses_threads(n):
        failures = []

        def work(number):
            try:
                with engine.begin() as connection:
                    ask(connection, "INSERT INTO shop VALUES (:i, 'x') RETURNING id", i=number)
                store.incr("count")
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert store.get("count") == b"3"
        with other.begin() as connection:
            assert ask(connection, "SELECT count(*) FROM shop") == 3

    def defines(n):
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE made (id int)"))
            ask(connection, "SELECT lo_from_bytea(0, 'x')")

    def truncates(n):
        with engine.begin() as connection:
            connection.execute(sa.text("TRUNCATE item RESTART IDENTITY"))

    KINDS = [inserts, counts_in_a_sequence, changes_what_was_there, uses_redis, uses_threads, defines, truncates]

    @pytest.mark.parametrize("n", range({tests}))
    def test_it(n):
        KINDS[n % len(KINDS)](n)
"""


@pytest.mark.parametrize("times", sized("suites"))
def test_no_test_sees_what_another_left_in_whatever_order(
    request: pytest.FixtureRequest, tmp_path: Path, times: int
) -> None:
    suite = Suite(tmp_path, conftest=ORDER, test_it=SUITE.replace("{tests}", str(TESTS)))
    project = AlembicProject(tmp_path)
    made = "CREATE TABLE item (id serial PRIMARY KEY, name text); INSERT INTO item (name) VALUES ('there'); CREATE SEQUENCE numbers"
    project.version("0002", f'op.execute("{made}")', after="0001")
    suite.configure(CONFIGURATION)
    dice = random.Random(seed_of(request.config))
    for number in range(times):
        order = dice.randrange(2**32)
        print(f"suite {number + 1} of {times}: ORDER={order}")  # noqa: T201 - the same
        outcome = suite.run("-n", "4", timeout=300, ORDER=str(order))

        outcome.check(passed=TESTS)
