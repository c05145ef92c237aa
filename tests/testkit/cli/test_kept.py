"""``testkit psql NODEID``: psql on what a failed test left, and nothing of it stays."""

from __future__ import annotations

import json
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import TESTKIT, called, environment
from tests.support.suites import Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TESTS = """
    import pytest
    import sqlalchemy as sa

    @pytest.mark.parametrize("name", ["ada/1 'x'", "bob"])
    def test_it(database, name):
        with database.engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE person (name text)"))
            connection.execute(sa.text("INSERT INTO person VALUES (:name)"), {"name": name})
        assert 0
"""
ADA = "tests/test_it.py::test_it[ada/1 'x']"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which two tests have failed."""
    suite = Suite(tmp_path_factory.mktemp("kept") / "a project", tests__test_it=TESTS)
    suite.configure("")
    suite.run().check(code=1, failed=2)
    return suite.folder


def nothing_runs(folder: Path) -> bool:
    listed = json.loads(called("ps", "--format", "json", folder=folder).stdout)
    return [s for s in listed["servers"] if s["project"] == str(folder)] == []


def test_a_project_in_which_nothing_is_kept_says_so(tmp_path: Path) -> None:
    done = called("psql", "--kept", folder=tmp_path)

    assert (done.returncode, done.stdout) == (0, "No database of a failed test is kept here.\n")


@pytest.mark.slow
def test_what_is_kept_is_listed_with_test_time_and_size(project: Path) -> None:
    lines = called("psql", "--kept", folder=project / "tests").stdout.splitlines()

    assert lines[0].split() == [
        "TEST",
        "FAILED",
        "IN",
        "AT",
        "(UTC)",
        "SIZE",
        "POSTGRES",
        "RUN",
        "WORKER",
    ]
    assert sorted(line.split("  ")[0] for line in lines[1:]) == [
        ADA,
        ADA.replace("ada/1 'x'", "bob"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ((ADA, "-Atc", "TABLE person"), "ada/1 'x'\n"),
        (("bob", "--", "-Atc", "TABLE person"), "bob\n"),
        (("test_it[bob]", "-Atc", "SELECT 1", "-c", "TABLE person"), "1\nbob\n"),
    ],
)
def test_the_rows_of_the_test_are_there_by_its_name_or_a_part_of_it(
    project: Path, arguments: tuple[str, ...], rows: str
) -> None:
    done = called("psql", *arguments, folder=project / "tests")

    assert (done.returncode, done.stdout) == (0, rows)
    assert "which failed in its call at" in done.stderr
    assert nothing_runs(project)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wanted", "code", "status"),
    [("nobody", "TK352", 2), ("tests/test_it.py::", "TK353", 2)],
)
def test_a_name_that_does_not_tell_which_starts_nothing(
    project: Path, wanted: str, code: str, status: int
) -> None:
    done = called("psql", wanted, folder=project)

    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(code)
    assert ADA in done.stderr


@pytest.mark.slow
def test_the_exit_code_of_psql_is_passed_on(project: Path) -> None:
    done = called("psql", "bob", "-c", "SELECT nothing", folder=project)

    assert (done.returncode, done.stdout) == (1, "")
    assert nothing_runs(project)


@pytest.mark.slow
def test_a_signal_reaches_psql_and_nothing_stays(project: Path) -> None:
    with subprocess.Popen(
        [TESTKIT, "psql", "bob", "-Atc", "SELECT pg_sleep(60)"],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        said = process.stderr
        assert said is not None
        wait_until(lambda: "the database of" in said.readline())
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=30)

    assert process.returncode in (1, -signal.SIGINT), words
    assert "Traceback" not in words
    assert nothing_runs(project)


@pytest.fixture
def standing(project: Path) -> Iterator[None]:
    """Servers of ``testkit up``."""
    assert called("up", "--no-redis", folder=project).returncode == 0
    yield
    called("down", folder=project)


@pytest.mark.slow
def test_on_a_server_that_stands_it_is_a_database_of_its_own_that_goes(
    project: Path, standing: None
) -> None:
    done = called(
        "psql", "bob", "-Atc", "SELECT current_database()", "-c", "TABLE person", folder=project
    )
    name, *rows = done.stdout.splitlines()
    left = called("psql", "--", "-Atc", "SELECT datname FROM pg_database", folder=project).stdout

    assert rows == ["bob"]
    assert name.startswith("testkit_")
    assert "testkit_main" in left.splitlines()
    assert name not in left.splitlines()
