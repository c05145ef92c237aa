"""Somebody else's Postgres: databases of ours, nothing else, and nothing of them left."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import psycopg
import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.isolation.reset import DatabaseReset
from testkit.isolation.template import JournalTemplate
from testkit.servers.ownership.marks import (
    DATABASE,
    DRAFT,
    TEMPLATE,
    lock,
    mark_database,
    owned_by,
    sweep_databases,
)
from testkit.servers.ownership.workshop import server_directory
from testkit.servers.postgres import start_postgres
from testkit.servers.programs.launch import PreparedKeeper, stop_all
from testkit.servers.templates.cluster import ClusterCache
from testkit.system.ports import HeldPort
from tests.support.alembic_project import AlembicProject
from tests.support.processes import ended_process
from tests.support.runs import kept_of
from tests.support.suites import Suite

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer
    from testkit.servers.programs.binaries import Binaries
    from testkit.servers.run import Run
    from testkit.system.processes import ProcessIdentity

FOREIGN = "somebodys_shop"
HOLD_A_DATABASE = """
import os, pathlib, secrets, sys
from testkit.core.options import Settings
from testkit.isolation.reset import DatabaseReset
from testkit.isolation.template import JournalTemplate
from testkit.servers.run import Run
from testkit.system.processes import identify
me = identify(os.getpid())
run = Run(token=secrets.token_hex(4), owner=me, me=me, worker="main", workers=1,
          settings=Settings(postgres=sys.argv[1]), root=pathlib.Path.cwd(),
          cache=pathlib.Path(sys.argv[2]), finish=JournalTemplate(), progress=lambda words: None)
run.ensure_database()
print(run.database, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def somebody(new_run: Callable[..., Run], tmp_path: Path) -> PostgresServer:
    """A server with a database that is not ours, although it looks like it."""
    server = new_run(tmp_path / "somebody", Settings()).ensure_postgres()
    with server.connect() as connection:
        for name in (FOREIGN, "testkit_0badcafe_gw0", "testkit_template_of_mine"):
            connection.execute(f"CREATE DATABASE {name}".encode())
            with server.connect(name) as inside:
                inside.execute("CREATE TABLE till (amount int); INSERT INTO till VALUES (42)")
        # Words of somebody else's that begin as ours do.
        connection.execute("COMMENT ON DATABASE testkit_0badcafe_gw0 IS 'testkit: mine, not yours'")
    return server


def databases(server: PostgresServer) -> set[str]:
    with server.connect() as connection:
        rows = connection.execute("SELECT datname::text FROM pg_database").fetchall()
    return {name for (name,) in rows}


def dump(server: PostgresServer) -> str:
    """Return the whole server as pg_dumpall writes it, without what testkit keeps there."""
    assert server.bin_folder is not None
    done = subprocess.run(
        [
            *(f"{server.bin_folder}/pg_dumpall", "-h", "127.0.0.1", "-p", str(server.port)),
            *(
                "-U",
                server.user,
                "--no-role-passwords",
                "--exclude-database=testkit_template_[0-9a-f]*",
            ),
        ],
        env={"PGPASSWORD": server.password, "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=True,
    )
    # Each dump is closed with a random word.
    return "\n".join(line for line in done.stdout.splitlines() if "restrict" not in line)


def run_on(
    new_run: Callable[..., Run], root: Path, url: str, *, workers: int = 1, **values: str
) -> Run:
    run = new_run(root, Settings(postgres=url, **values))  # type: ignore[arg-type]  # texts only
    run.workers = workers
    return run


def as_role(server: PostgresServer, *options: str) -> str:
    """Make a role; answer the server's URL for it."""
    with server.connect() as connection:
        connection.execute(
            f"CREATE ROLE guest LOGIN PASSWORD 'hunter2' {' '.join(options)}".encode()
        )
    return f"postgresql://guest:hunter2@127.0.0.1:{server.port}/postgres"


def test_a_run_makes_one_database_and_leaves_the_template_only(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    before = databases(somebody)
    project = AlembicProject(tmp_path / "project")
    run = run_on(new_run, project.root, somebody.url, schema="alembic")
    run.ensure_database()
    during = databases(somebody) - before
    run.close()
    after = databases(somebody) - before

    assert {run.database} < during
    assert run.token in run.database
    assert [name.rstrip("0123456789abcdef") for name in after] == ["testkit_template_"]


@pytest.mark.slow
def test_the_template_is_built_once_for_all_runs(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    project = AlembicProject(tmp_path / "project")
    runs = [run_on(new_run, project.root, somebody.url, schema="alembic") for _ in range(2)]
    oids = []
    for run in runs:
        template = run.ensure_database().template
        with somebody.connect() as connection:
            row = connection.execute(
                "SELECT oid FROM pg_database WHERE datname = %s", (template,)
            ).fetchone()
        oids.append(row)

    assert oids[0] == oids[1] is not None


@pytest.mark.slow
def test_a_migration_that_fails_leaves_no_half_built_template(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    before = databases(somebody)
    project = AlembicProject(tmp_path / "project")
    project.version("0002", 'op.execute("SELECT 1/0")', after="0001")
    run = run_on(new_run, project.root, somebody.url, schema="alembic")
    with pytest.raises(TestkitError, match="TK201") as caught:
        run.ensure_database()

    assert "division by zero" in str(caught.value)
    assert somebody.password not in str(caught.value)
    assert databases(somebody) == before


@pytest.mark.slow
def test_what_belongs_to_others_is_the_same_byte_for_byte_also_after_kill_9_and_a_sweep(
    somebody: PostgresServer, machine_cache: Path, tmp_path: Path
) -> None:
    before = dump(somebody)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_DATABASE, somebody.url, str(machine_cache)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        database = holder.stdout.readline().strip()
        with somebody.connect() as connection:
            kept = sweep_databases(connection)
        there = database in databases(somebody)
        holder.send_signal(signal.SIGKILL)
    with somebody.connect() as connection:
        swept = sweep_databases(connection)

    assert (kept, there) == ([], True)
    assert swept == [database]
    assert dump(somebody) == before


@pytest.mark.slow
def test_the_next_run_drops_what_a_killed_one_left(
    somebody: PostgresServer, new_run: Callable[..., Run], machine_cache: Path, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD_A_DATABASE, somebody.url, str(machine_cache)],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        left = holder.stdout.readline().strip()
        holder.send_signal(signal.SIGKILL)
    run_on(new_run, tmp_path, somebody.url).ensure_database()

    assert left not in databases(somebody)


@pytest.mark.slow
def test_what_another_machine_holds_is_judged_by_its_lock_and_only_where_that_is(
    somebody: PostgresServer, myself: ProcessIdentity
) -> None:
    elsewhere = dataclasses.replace(myself, boot="of another machine")
    with somebody.connect() as holder:
        for name in ("theirs", "leftover"):
            holder.execute(f"CREATE DATABASE {name}".encode())
            mark_database(holder, name, owned_by(DATABASE, elsewhere, "postgres"))
        lock(holder, "theirs")
        with somebody.connect(FOREIGN) as other:
            swept = sweep_databases(other)
        with somebody.connect() as same:
            swept_too = sweep_databases(same)

    assert (swept, swept_too) == ([], ["leftover"])


def test_a_draft_of_a_builder_that_was_killed_goes_and_a_template_stays(
    somebody: PostgresServer,
) -> None:
    with somebody.connect() as connection:
        for name in ("testkit_draft_x", "testkit_template_x"):
            connection.execute(f"CREATE DATABASE {name}".encode())
        mark_database(connection, "testkit_draft_x", owned_by(DRAFT, ended_process(), "postgres"))
        mark_database(connection, "testkit_template_x", {"kind": TEMPLATE, "used": 1})
        looked = sweep_databases(connection, look=True)
        swept = sweep_databases(connection)

    assert looked == swept == ["testkit_draft_x"]
    assert "testkit_template_x" in databases(somebody)


@pytest.mark.slow
def test_a_lease_whose_connection_was_ended_is_given_back_all_the_same(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = run_on(new_run, tmp_path, somebody.url)
    run.ensure_database()
    with somebody.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
    run.close()

    assert run.database not in databases(somebody)


@pytest.mark.slow
def test_createdb_is_enough(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    url = as_role(somebody, "CREATEDB")
    project = AlembicProject(tmp_path / "project")
    run = run_on(new_run, project.root, url, schema="alembic")
    reset = DatabaseReset(run.ensure_database(), run.database, replaced=lambda: None)
    with psycopg.connect(run.database_address().url("libpq"), autocommit=True) as connection:
        connection.execute("INSERT INTO shop VALUES (1, 'of a test')")
        rows = [connection.execute("SELECT count(*), current_user::text FROM shop").fetchone()]
        reset.finish("a test")
        rows.append(connection.execute("SELECT count(*), current_user::text FROM shop").fetchone())
    reset.close()
    run.close()

    assert rows == [(1, "guest"), (0, "guest")]
    assert run.database not in databases(somebody)


@pytest.mark.slow
def test_a_role_that_became_a_superuser_has_another_template(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    url = as_role(somebody, "CREATEDB")
    project = AlembicProject(tmp_path / "project")
    first = run_on(new_run, project.root, url, schema="alembic").ensure_database()
    with somebody.connect() as connection:
        connection.execute("ALTER ROLE guest SUPERUSER")
    second = run_on(new_run, project.root, url, schema="alembic").ensure_database()

    assert first.template != second.template


def test_a_role_that_may_make_no_database_is_told_so(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = run_on(new_run, tmp_path, as_role(somebody))
    with pytest.raises(TestkitError, match="TK111") as caught:
        run.ensure_database()

    assert "'guest'" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_more_processes_than_the_server_has_connections_for_are_refused_with_what_fits(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    with somebody.connect() as connection:
        row = connection.execute("SELECT current_setting('max_connections')::int").fetchone()
    assert row is not None
    (allowed,) = row
    run = run_on(new_run, tmp_path, somebody.url, workers=allowed)
    with pytest.raises(TestkitError, match="TK113") as caught:
        run.ensure_database()

    assert f"The server allows {allowed} connections, {allowed} are free" in str(caught.value)
    assert f"{allowed} processes need {3 * allowed}" in str(caught.value)


@pytest.mark.slow
def test_each_process_may_open_its_share_of_the_connections(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    server = run_on(new_run, tmp_path, somebody.url, workers=3).ensure_database()

    assert f"{server.connections} connections for each process" in server.reason
    assert 0 < (server.connections + 2) * 3 <= 100


@pytest.mark.slow
def test_a_run_with_more_workers_than_connections_ends_before_its_first_test_and_says_it_once(
    server_folder: Path, binaries: Binaries, base: Path, myself: ProcessIdentity, tmp_path: Path
) -> None:
    cluster = ClusterCache(base, binaries, print).with_schema(Settings(), base, JournalTemplate())
    data, port = server_directory(server_folder.parent / "data"), HeldPort()
    cluster.unfold(data).result()
    with PreparedKeeper("testkit-test") as keeper:
        server = start_postgres(
            keeper,
            binaries,
            data=data,
            directory=server_folder,
            port=port.port,
            passwords=(cluster.password, "hunter2"),
            database="postgres",
            owners=[myself],
            connections=10,
            in_ram=False,
            reason="",
        )
    port.release()
    suite = Suite(tmp_path / "suite", test_it="def test_it(): pass")
    suite.configure('env = { DATABASE_URL = "{database.url}" }')
    try:
        outcome = suite.run("-n", "8", TESTKIT_POSTGRES=server.url)
    finally:
        stop_all([kept_of(server)])

    outcome.check(code=3)
    assert outcome.text.count("TK113: ") == 1, outcome.text
    assert "The server allows 10 connections, 10 are free; 9 processes need 27." in outcome.text
    assert "where: TESTKIT_POSTGRES" in outcome.text
    assert "`pytest -n 2` fits" in outcome.text
    assert "hunter2" not in outcome.text


@pytest.mark.parametrize("where", ["postgresql://u:hunter2@127.0.0.1:1/x", "{url}_wrong"])
def test_a_server_that_cannot_be_reached_is_named_without_its_password(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path, where: str
) -> None:
    url = where.format(url=somebody.url.replace(somebody.password, "hunter2"))
    with pytest.raises(TestkitError, match="TK110") as caught:
        run_on(new_run, tmp_path, url).ensure_database()

    assert "postgres at 127.0.0.1:" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_condition_that_the_server_does_not_meet_is_said(
    somebody: PostgresServer, new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = run_on(new_run, tmp_path, somebody.url, postgres_version="<14")
    with pytest.raises(TestkitError, match="TK102") as caught:
        run.ensure_database()

    assert f"it is {somebody.version}, postgres_version is '<14'" in str(caught.value)
    assert somebody.password not in str(caught.value)


@pytest.mark.slow
def test_a_suite_runs_in_parallel_on_it_and_leaves_it_as_it_was(
    somebody: PostgresServer, tmp_path: Path
) -> None:
    before = dump(somebody)
    suite = Suite(
        tmp_path / "suite",
        test_it="""
        import os
        import pytest
        from sqlalchemy import create_engine, text

        @pytest.mark.parametrize("n", range(8))
        def test_it(n):
            with create_engine(os.environ["DATABASE_URL"]).begin() as connection:
                assert connection.scalar(text("SELECT count(*) FROM thing")) == 0
                connection.execute(text("INSERT INTO thing VALUES (1)"))

        @pytest.mark.parametrize("n", range(2))
        def test_ddl(n):
            with create_engine(os.environ["DATABASE_URL"]).begin() as connection:
                connection.execute(text("DROP TABLE thing"))
        """,
        models="""
        from sqlalchemy import Column, Integer, MetaData, Table

        metadata = MetaData()
        Table("thing", metadata, Column("id", Integer, primary_key=True))
        """,
    )
    suite.configure("""
        schema = "metadata:models:metadata"
        env = { DATABASE_URL = "{database.url}" }
    """)
    outcome = suite.run("-n", "2", TESTKIT_POSTGRES=somebody.url)

    outcome.check(passed=10)
    assert "external (127.0.0.1:" in outcome.text
    assert "named by TESTKIT_POSTGRES" in outcome.text
    assert somebody.password not in outcome.text
    assert dump(somebody) == before
