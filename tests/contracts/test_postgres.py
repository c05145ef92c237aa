"""What every Postgres does, whichever road it came by."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from testkit.isolation.reset import DatabaseReset
from testkit.system.processes import is_alive
from tests.contracts.conftest import OWN_ROADS, Road
from tests.support.processes import LINUX, command_lines, listening, processes_below
from tests.support.runs import kept_of, new_run

if TYPE_CHECKING:
    from testkit.servers.run import Run

ROOT = Path(__file__).parents[2]


def connect(run: Run) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(run.database_address().url("libpq"), autocommit=True)


OWN = pytest.mark.parametrize("postgres_road", OWN_ROADS, indirect=True)


def test_its_facts_name_the_road_and_its_version(postgres_run: Run, postgres_road: Road) -> None:
    server = postgres_run.ensure_database()
    with connect(postgres_run) as connection:
        row = connection.execute("SHOW server_version").fetchone()

    assert row is not None
    assert str(row[0]).split()[0] == server.version.split()[0]
    assert server.backend == postgres_road.name.partition(",")[0]
    assert server.reason
    assert server.password not in repr(server)


@OWN
def test_the_reason_says_where_the_data_is(postgres_run: Run) -> None:
    assert "data " in postgres_run.ensure_database().reason


@OWN
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("autovacuum", "off"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("password_encryption", "scram-sha-256"),
    ],
)
def test_its_settings(postgres_run: Run, name: str, value: str) -> None:
    postgres_run.ensure_database()
    with connect(postgres_run) as connection:
        row = connection.execute(f"SHOW {name}".encode()).fetchone()

    assert row == (value,)


@OWN
def test_it_listens_on_the_loopback_only(postgres_run: Run) -> None:
    port = postgres_run.ensure_database().port

    assert {address for address, number in listening() if number == port} == {"127.0.0.1"}


def test_letters_have_cases_and_text_is_sorted_by_code_point(postgres_run: Run) -> None:
    postgres_run.ensure_database()
    with connect(postgres_run) as connection:
        row = connection.execute(
            "SELECT upper('ärger'), array_agg(w ORDER BY w) FROM unnest('{b,A,a,B,ä}'::text[]) AS w"
        ).fetchone()

    assert row == ("ÄRGER", ["A", "B", "a", "b", "ä"])


def test_a_wrong_password_is_refused(postgres_run: Run) -> None:
    server = postgres_run.ensure_database()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        server.connect(password="wrong")


def test_every_process_of_a_run_has_the_schema_in_a_database_of_its_own(postgres_run: Run) -> None:
    postgres_run.ensure_database()
    other = new_run(
        postgres_run.root, postgres_run.settings, worker="gw1", token=postgres_run.token
    )
    other.ensure_database()
    with connect(postgres_run) as mine, connect(other) as theirs:
        mine.execute("INSERT INTO shop VALUES (1, 'mine')")
        row = theirs.execute("SELECT count(*) FROM shop").fetchone()
    other.close()

    assert row == (0,)


def test_what_was_committed_is_undone(postgres_run: Run) -> None:
    server = postgres_run.ensure_database()
    reset = DatabaseReset(server, postgres_run.database, replaced=lambda: None)
    try:
        with connect(postgres_run) as connection:
            connection.execute("INSERT INTO shop VALUES (1, 'one')")
            reset.finish("a test")
            row = connection.execute("SELECT count(*) FROM shop").fetchone()
            connection.execute("DROP TABLE shop")
        reset.finish("a test that changes the schema")
        with connect(postgres_run) as connection:
            again = connection.execute("SELECT count(*) FROM shop").fetchone()
    finally:
        reset.close()

    assert (row, again) == ((0,), (0,))


def test_rows_of_fixtures_that_stand_are_in_a_database_made_anew_and_go_with_them(
    postgres_run: Run,
) -> None:
    server = postgres_run.ensure_database()
    reset = DatabaseReset(server, postgres_run.database, replaced=lambda: None)
    rows = "SELECT id, name FROM shop ORDER BY id"

    def ran(*statements: str) -> list[tuple[object, ...]]:
        with connect(postgres_run) as connection:
            for statement in statements:
                connection.execute(statement.encode())
            return connection.execute(rows.encode()).fetchall()

    try:
        for owner, statement in enumerate(
            (
                "INSERT INTO shop VALUES (1, 'one'), (2, 'two')",
                "UPDATE shop SET id = 5 WHERE id = 2",
            ),
            1,
        ):
            since = reset.snapshot()
            stand = ran(statement)
            reset.claim(owner, since=since, who=f"fixture {owner}")
        with connect(postgres_run) as connection:
            connection.execute("DROP TABLE shop")
        reset.finish("a test that changes the schema")
        found = [ran()]
        for owner in (2, 1):
            reset.end(owner)
            found.append(ran())
    finally:
        reset.close()

    assert found == [stand, [(1, "one"), (2, "two")], []]


@LINUX
@pytest.mark.parametrize(
    "postgres_road", ["embedded", pytest.param("local", marks=pytest.mark.slow)], indirect=True
)
def test_nothing_is_left_when_the_run_is_closed(postgres_run: Run) -> None:
    server = postgres_run.ensure_database()
    data = _data(postgres_run)
    running = processes_below(data)
    postgres_run.close()

    assert running
    assert processes_below(data) == []
    assert not is_alive(kept_of(server).keeper)
    assert [path for path in (data, kept_of(server).directory) if path.exists()] == []


@LINUX
def test_no_process_shows_a_password(postgres_run: Run) -> None:
    server = postgres_run.ensure_database()
    lines = command_lines().values()

    assert [line for line in lines if str(server.port) in line]
    assert [line for line in lines if server.password in line] == []


@pytest.mark.soak
@pytest.mark.timeout(400)  # a run of hundreds of tests; on a busy machine it takes minutes
@pytest.mark.parametrize("postgres_road", ["local", "docker", "external"], indirect=True)
def test_the_isolation_holds_on_a_server_of_this_road(postgres_road: Road, tmp_path: Path) -> None:
    """The tests of the reset, run again in a pytest of its own. On embedded they run as they are."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TESTKIT_", "PYTEST_"))}
    folder = Path("tests/testkit/isolation")
    # These tests bring a role without superuser themselves. It meets what is new to it in another
    # version, not on another road; so do drivers and large objects.
    local = postgres_road.name == "local"
    more = ("session_state", "pools", "snapshots", "large_objects") if local else ()
    roles = () if local else ("-k", "not owner_server")
    files = [
        *sorted((ROOT / folder).glob("test_reset*.py")),
        ROOT / folder / "test_random_programs.py",
        *(ROOT / folder / f"test_{name}.py" for name in more),
    ]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", "2", "-m", "not soak"),
            *("-o", f"cache_dir={tmp_path}", *roles, *map(str, files)),
        ],
        cwd=ROOT,
        env=kept | {"TESTKIT_POSTGRES": postgres_road.option},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def _data(run: Run) -> Path:
    with run.ensure_postgres().connect() as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    return Path(str(row[0]))
