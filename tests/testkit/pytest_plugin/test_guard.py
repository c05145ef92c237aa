"""Whole suites that reach for a server which testkit did not provide."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

ENV = 'env = { DATABASE_URL = "{database.url:libpq}", REDIS_URL = "{redis.url}" }\n'
# Port 1 of the machine: nobody listens there, whoever gets through is told so by the library.
FOREIGN = """
    import asyncio
    import contextlib
    import os

    POSTGRES = "postgresql://ada:sesame@localhost:1/prod"
    CACHE = "redis://ada:sesame@localhost:1/3"

    def swallow():
        import redis
        with contextlib.suppress(Exception):
            redis.Redis.from_url(CACHE, retry=None).ping()
"""
REFUSED = r"TK304: \S+ was about to connect to localhost:1 \(database (?:prod|3)\)"


def refusals(text: str) -> int:
    """Count the messages in a report, which shows each failure once."""
    return len(re.findall(REFUSED, text))


@pytest.fixture
def suite(tmp_path: Path) -> Suite:
    """An empty suite with ``env``."""
    suite = Suite(tmp_path / "suite", foreign=FOREIGN)
    suite.configure(ENV)
    return suite


@pytest.mark.slow
def test_each_library_is_refused_also_where_the_test_is_the_first_to_import_it(
    suite: Suite,
) -> None:
    suite.write(
        "test_it.py",
        """
        from foreign import *

        def test_psycopg():
            import psycopg
            psycopg.connect(POSTGRES)

        def test_asyncpg():
            import asyncpg
            asyncio.run(asyncpg.connect(POSTGRES))

        def test_sqlalchemy():
            import sqlalchemy
            sqlalchemy.create_engine(POSTGRES.replace(":", "+psycopg:", 1)).connect()

        def test_redis():
            import redis
            redis.Redis.from_url(CACHE).ping()

        async def asynchronous():
            import redis.asyncio
            await redis.asyncio.Redis.from_url(CACHE).ping()

        def test_redis_in_a_loop():
            asyncio.run(asynchronous())
    """,
    )
    outcome = suite.run()

    outcome.check(code=1, failed=5)
    assert len(re.findall(f"{REFUSED}, a server that", outcome.messages)) >= 5
    assert 'allow_hosts = ["localhost:1"] in [tool.testkit]' in outcome.text
    assert "sesame" not in re.sub(r"POSTGRES = .*|CACHE = .*", "", outcome.text)


@pytest.mark.slow
@pytest.mark.parametrize("configuration", ["", ENV + 'allow_hosts = ["127.0.0.1:1"]\n'])
def test_nothing_is_refused_without_env_or_where_the_host_is_allowed(
    suite: Suite, configuration: str
) -> None:
    suite.configure(configuration)
    suite.write(
        "test_it.py",
        """
        import pytest, psycopg, redis
        from foreign import *

        def test_it():
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(POSTGRES)
            with pytest.raises(redis.ConnectionError):
                redis.Redis.from_url(CACHE, retry=None).ping()
    """,
    )
    outcome = suite.run()

    outcome.check(passed=1)


@pytest.mark.slow
def test_a_refusal_that_the_application_caught_fails_the_test_at_its_end_once(
    suite: Suite,
) -> None:
    suite.write(
        "test_it.py",
        """
        import threading
        from foreign import *

        def test_caught():
            swallow()
            swallow()

        def test_caught_in_a_thread():
            thread = threading.Thread(target=swallow)
            thread.start()
            thread.join()

        def test_clean():
            pass
    """,
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, error=2, passed=1)
    assert len(re.findall(f"Failed: {REFUSED}", outcome.messages)) == 2
    assert outcome.messages.count("caught by the code that asked") == 2
    assert "where: foreign.py:12, test_it.py::test_caught\n" in outcome.text
    assert "no test did it" not in outcome.text


@pytest.mark.slow
def test_a_test_that_failed_by_a_refusal_does_not_fail_again(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest, redis
        from foreign import *

        def test_at_the_second_try():
            swallow()
            redis.Redis.from_url(CACHE).ping()

        def test_wrapped():
            try:
                redis.Redis.from_url(CACHE).ping()
            except Exception:
                raise ValueError("no cache")

        @pytest.mark.xfail(strict=True)
        def test_expected():
            redis.Redis.from_url(CACHE).ping()

        def test_for_another_reason():
            swallow()
            assert 1 == 2

        def test_skipped_by_it():
            try:
                redis.Redis.from_url(CACHE).ping()
            except Exception:
                pytest.skip("no cache here")
    """,
    )
    outcome = suite.run("-rA")

    assert (
        outcome.code,
        sorted(re.findall("^(FAILED|ERROR|XFAIL) (\\S+)", outcome.text, re.MULTILINE)),
    ) == (
        1,
        [
            ("ERROR", "test_it.py::test_for_another_reason"),
            ("ERROR", "test_it.py::test_skipped_by_it"),
            ("FAILED", "test_it.py::test_at_the_second_try"),
            ("FAILED", "test_it.py::test_for_another_reason"),
            ("FAILED", "test_it.py::test_wrapped"),
            ("XFAIL", "test_it.py::test_expected"),
        ],
    )


@pytest.mark.slow
def test_what_was_caught_before_any_test_is_charged_to_the_first_one(suite: Suite) -> None:
    suite.write("conftest.py", "import foreign\nforeign.swallow()\n")
    suite.write("test_it.py", "def test_a(): pass\ndef test_b(): pass\n")
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, error=1, passed=1)
    assert outcome.tests["test_it::test_a"] == "error"
    assert "no test did it, it came before the first test" in outcome.text


@pytest.mark.slow
def test_a_conftest_file_that_connects_elsewhere_ends_the_run(suite: Suite) -> None:
    suite.write("conftest.py", "import psycopg, foreign\npsycopg.connect(foreign.POSTGRES)\n")
    suite.write("test_it.py", "def test_a(): pass\n")
    outcome = suite.run()

    assert (outcome.code, refusals(outcome.text) > 0) == (4, True)


@pytest.mark.slow
def test_a_test_module_that_connects_elsewhere_is_an_error_of_its_own(suite: Suite) -> None:
    suite.write("test_a.py", "import psycopg, foreign\npsycopg.connect(foreign.POSTGRES)\n")
    suite.write("test_b.py", "def test_b(): pass\n")
    outcome = suite.run("--continue-on-collection-errors")

    outcome.check(code=1, error=1, passed=1)


@pytest.mark.slow
def test_what_nobody_can_be_charged_with_is_written_at_the_end(suite: Suite) -> None:
    suite.write("test_it.py", "import foreign\nforeign.swallow()\ndef test_a(): pass\n")
    outcome = suite.run("--collect-only")

    assert (outcome.code, refusals(outcome.text)) == (0, 1)


@pytest.mark.slow
def test_fixtures_of_any_scope_are_charged_to_the_test_that_they_ran_for(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from foreign import *

        @pytest.fixture(scope="session")
        def connects():
            import psycopg
            psycopg.connect(POSTGRES)

        @pytest.fixture(scope="session")
        def pings():
            yield swallow()
            swallow()

        def test_a(pings): pass
        def test_b(): pass
        def test_c(connects): pass
        def test_d(): pass
    """,
    )
    outcome = suite.run("-p", "no:randomly")

    outcome.check(code=1, error=3, passed=1)
    assert outcome.tests["test_it::test_b"] == "passed"
    assert "no test did it" not in outcome.text


@pytest.mark.slow
def test_the_error_of_a_teardown_stays_in_sight_beside_a_refusal(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from foreign import *

        @pytest.fixture
        def breaks():
            yield swallow()
            raise ValueError("could not clean up")

        def test_a(breaks): pass
    """,
    )
    outcome = suite.run()

    outcome.check(code=1, error=1)
    assert "could not clean up" in outcome.text
    assert refusals(outcome.text) == 1


@pytest.mark.slow
def test_under_xdist_the_test_that_did_it_fails_in_its_worker(suite: Suite) -> None:
    suite.write(
        "test_it.py",
        """
        import pytest
        from foreign import *

        @pytest.mark.parametrize("n", range(12))
        def test_it(n):
            if n in (3, 8):
                swallow()
    """,
    )
    outcome = suite.run("-n", "2")
    failed = sorted(name for name, word in outcome.tests.items() if word != "passed")

    outcome.check(code=1, error=2, passed=10)
    assert failed == ["test_it::test_it[3]", "test_it::test_it[8]"]


@pytest.mark.slow
def test_after_the_run_the_process_has_its_libraries_back(suite: Suite) -> None:
    suite.write("test_it.py", "import asyncpg, redis, sqlalchemy\ndef test_a(): pass\n")
    suite.write(
        "check.py",
        """
        import sys
        import psycopg, pytest

        def points():
            return [dict(vars(psycopg.Connection)), dict(vars(psycopg.AsyncConnection))]

        before, finders = points(), [type(finder).__name__ for finder in sys.meta_path]
        code = pytest.main(["-p", "testkit.pytest_plugin.hooks", "-p", "no:cacheprovider"])
        import asyncpg, redis, sqlalchemy
        left = [asyncpg.connect_utils._parse_connect_arguments, redis.Connection._connect,
                redis.asyncio.Connection._connect]
        print(code == 0, points() == before, "ImportWatch" not in map(str, sys.meta_path),
              [one.__module__.partition(".")[0] for one in left],
              list(sqlalchemy.create_engine("sqlite://").dialect.dispatch.do_connect))
    """,
    )
    done = subprocess.run(
        [sys.executable, "check.py"],
        cwd=suite.folder,
        env=suite.environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines()[-1] == "True True True ['asyncpg', 'redis', 'redis'] []"
