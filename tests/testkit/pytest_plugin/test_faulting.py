"""The fixture ``faults`` in a run: what fails for it, what it tells, what it leaves: nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
# An application as they are: its engine and client are made when it is imported.
APPLICATION = """
    import os
    import functools
    import redis
    import sqlalchemy as sa
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    ONE = sa.text("SELECT 1")

    def make_engine(url=None):
        return sa.create_engine(url or os.environ["DATABASE_URL"])

    def make_cache():
        return redis.Redis.from_url(os.environ["REDIS_URL"], retry=Retry(NoBackoff(), 0))

    engine, cache = make_engine(), make_cache()

    # Made by whichever test comes first, and never closed.
    late_engine, late_cache = functools.cache(make_engine), functools.cache(make_cache)

    def works(engine=engine, cache=cache):
        with engine.begin() as connection:
            return connection.scalar(ONE) == 1 and cache.ping()
"""
# Nothing of a relay is there: no thread, no socket that listens or is connected to one.
NOTHING_LEFT = """
    import os
    import threading

    import pytest

    seen = {}

    def descriptors():
        found = set()
        for name in os.listdir("/proc/self/fd"):
            try:
                found.add((name, os.readlink(f"/proc/self/fd/{name}")))
            except OSError:
                pass
        return {entry for entry in found if "socket:" in entry[1] or "eventpoll" in entry[1]}

    def before():
        seen["sockets"] = descriptors()

    def left():
        names = [thread.name for thread in threading.enumerate()]
        return [n for n in names if n.startswith("testkit")], descriptors() - seen["sockets"]
"""


def suite_of(tmp_path: Path, test: str, **files: str) -> Suite:
    suite = Suite(tmp_path, application=APPLICATION, left=NOTHING_LEFT, test_it=test, **files)
    suite.configure(ENV)
    return suite


def test_a_fault_that_never_struck_fails_its_test_and_no_other(tmp_path: Path) -> None:
    done = suite_of(
        tmp_path,
        """
        import pytest
        import redis
        from application import cache, make_cache

        def test_past_the_relay(faults):
            faults.redis.latency(0.001)
            cache.ping()

        def test_something_else(faults):
            faults.redis.reset_on_connect()
            with faults.redis.cut(after=1_000_000):
                with make_cache() as client, pytest.raises(redis.ConnectionError):
                    client.ping()

        def test_fails_by_itself(faults):
            faults.redis.silence()
            assert False, "by itself"

        def test_skips_itself(faults):
            faults.redis.silence()
            pytest.skip("not today")

        def test_none(faults):
            assert faults.redis.port

        def test_struck(faults):
            faults.redis.latency(0.001)
            with make_cache() as client:
                assert client.ping()
        """,
    ).run("-p", "no:randomly")

    done.check(code=1, error=2, failed=1, skipped=1, passed=2)
    assert "TK600: Never struck:\n  faults.redis.latency(0.001), declared at test_it.py:7" in (
        done.messages
    )
    assert "nobody came to faults.redis" in done.messages
    assert "faults.redis.cut(after=1000000), declared at test_it.py:12" in done.messages
    assert "faults.redis saw: 1 x connected" in done.messages
    assert "TK600: Never struck:\n  faults.redis.silence(), declared at test_it.py:17" in done.text
    assert "test_it.py:21" not in done.text


def test_the_report_of_a_failed_test_shows_the_log(tmp_path: Path) -> None:
    done = suite_of(
        tmp_path,
        """
        from application import make_cache

        def test_it(faults):
            with faults.redis.reset(), make_cache() as client:
                client.ping()
        """,
    ).run()

    done.check(code=1, failed=1)
    assert "What passed the relays (faults.log):" in done.text
    assert "faults.redis #1  connected  <- faults.redis.reset()" in done.text


def test_the_variables_of_env_lead_to_the_relay_while_it_stands(tmp_path: Path) -> None:
    suite_of(
        tmp_path,
        """
        import os

        def places():
            return os.environ["DATABASE_URL"], os.environ["REDIS_URL"]

        direct = places()

        def test_before():
            assert places() == direct

        def test_with(faults):
            assert places() == direct
            redis = faults.redis.url
            assert places() == (direct[0], redis)
            postgres = faults.postgres.url()
            assert places() == (postgres, redis) != direct

        def test_behind():
            assert places() == direct
        """,
    ).run("-p", "no:randomly").check(passed=3)


def test_nothing_is_left_behind_a_test(tmp_path: Path) -> None:
    suite_of(
        tmp_path,
        """
        import socket
        import pytest
        import left
        from application import make_cache, make_engine, ONE

        opened = []

        def test_before(database, redis_server):
            left.before()

        def test_with(faults):
            faults.redis.latency(0.001)
            client = make_cache()
            client.ping()
            client.close()
            with make_engine(faults.postgres.url()).connect() as connection:
                connection.scalar(ONE)
                connection.detach()
            with faults.redis.silence(), socket.create_connection(("127.0.0.1", faults.redis.port)):
                pass

        def test_behind():
            assert left.left() == ([], set())

        @pytest.mark.xfail(strict=True)
        def test_that_dies_inside(faults):
            with faults.redis.silence(), make_cache() as client:
                faults.postgres.black_hole()
                raise RuntimeError

        def test_behind_that():
            assert left.left() == ([], set())
        """,
    ).run("-p", "no:randomly").check(passed=4, skipped=1)


@pytest.mark.parametrize("mode", ["reset", "clone", "none"])
def test_what_an_application_has_goes_on_in_the_next_test(tmp_path: Path, mode: str) -> None:
    suite = suite_of(
        tmp_path,
        """
        import application
        from application import cache, engine, late_cache, late_engine, works

        def test_before():
            assert works()

        def test_with(faults):
            faults.postgres.route(engine)
            faults.redis.route(cache)
            faults.postgres.latency(0.001)
            assert works()
            assert works(late_engine(), late_cache())
            assert "connected" in str(faults.log)

        def test_behind():
            assert works()
            assert works(late_engine(), late_cache())

        def test_again(faults):
            faults.postgres.latency(0.001)
            faults.postgres.route(late_engine())
            faults.redis.route(late_cache())
            assert works(late_engine(), late_cache())

        def test_at_last():
            assert works(late_engine(), late_cache())
        """,
    )
    suite.configure(ENV + f'isolation = "{mode}"')
    suite.run("-p", "no:randomly").check(passed=5)


def test_what_a_test_commits_through_a_relay_is_undone_and_its_leaks_are_told(
    tmp_path: Path,
) -> None:
    done = suite_of(
        tmp_path,
        """
        import pytest
        import sqlalchemy as sa
        from application import engine, late_engine, ONE

        kept = []

        @pytest.fixture(scope="module", autouse=True)
        def table():
            with engine.begin() as connection:
                connection.execute(sa.text("CREATE TABLE notes (id int)"))

        @pytest.fixture
        def client(faults):
            engine = sa.create_engine(faults.postgres.url())
            yield engine
            engine.dispose()

        def test_commits(client):
            with client.begin() as connection:
                connection.execute(sa.text("INSERT INTO notes VALUES (1)"))

        def test_finds_nothing(client):
            with client.begin() as connection:
                assert connection.scalar(sa.text("SELECT count(*) FROM notes")) == 0

        def test_leaks(faults):
            faults.postgres.url()
            connection = late_engine().connect()
            connection.execute(ONE)
            kept.append(connection)

        def test_behind():
            with late_engine().begin() as connection:
                assert connection.scalar(ONE) == 1
        """,
    ).run("-p", "no:randomly")

    done.check(code=1, passed=3, error=1)
    assert "TK302" in done.messages


def test_one_shared_transaction_and_a_relay_exclude_each_other(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
        import pytest
        from application import make_cache

        @pytest.mark.xfail(strict=True, raises=Exception)
        def test_postgres(faults):
            faults.postgres.latency(1)

        def test_message(faults):
            with pytest.raises(Exception, match="TK602: faults.postgres: all engines share one"):
                faults.postgres.latency(1)

        def test_redis(faults):
            faults.redis.latency(0.001)
            with make_cache() as client:
                assert client.ping()
        """,
    )
    suite.configure(ENV + 'isolation = "rollback"')
    suite.run().check(passed=2, skipped=1)


def test_without_env_relays_work_too(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import psycopg
        import redis

        def test_it(faults):
            faults.redis.latency(0.001)
            faults.postgres.latency(0.001)
            with redis.Redis.from_url(faults.redis.url) as client:
                assert client.ping()
            with psycopg.connect(faults.postgres.url("libpq")) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        """,
    )

    suite.run().check(passed=1)
