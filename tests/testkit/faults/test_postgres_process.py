"""A Postgres that hangs, dies and comes back, as psycopg and asyncpg see it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import asyncpg
import psycopg
import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.faults.whose import postgres_faults
from tests.support.journal_templates import shared_template
from tests.support.journalled import PEOPLE, Journalled
from tests.support.processes import LINUX, children_of
from tests.support.runs import kept_of, new_run
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.faults.servers import ServerFaults
    from testkit.servers.run import Run

SECONDS = 0.05
SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
FIXTURE = 5
NAMES = "SELECT name FROM people ORDER BY id"
TEMPLATE = [("ada",), ("bob",), ("o'hara",)]


class Crashing(Journalled):
    """A database under the journal that outlives crashes of its server."""

    def before_crash(self, asked: str) -> None:
        self.reset.before_crash(asked, mode="reset")

    def after_crash(self) -> None:
        self.reset.after_crash()

    def names(self) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(NAMES.encode()).fetchall()


def state_of(pid: int) -> str:
    """Return how the kernel calls what the process does: T where it is stopped."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2]


@pytest.fixture(scope="module")
def own_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of its own, with a Postgres that nobody else works on."""
    run = new_run(tmp_path_factory.mktemp("own"), Settings())
    run.ensure_database()
    yield run
    run.close()


@pytest.fixture
def people(own_run: Run) -> Iterator[Crashing]:
    """The run's database, made from a template with a table and the journal."""
    server = own_run.ensure_postgres()
    with server.connect() as connection, shared_template(server, connection, PEOPLE) as template:
        own_run.postgres = server = dataclasses.replace(server, template=template)
    server.create_database(own_run.database)
    people = Crashing(server, own_run.database)
    yield people
    people.reset.close()


@pytest.fixture
def faults(own_run: Run, people: Crashing) -> Iterator[ServerFaults]:
    """What may be done to its server."""
    faults = postgres_faults(own_run, people, lambda: None)
    yield faults
    faults.end()


def test_a_statement_waits_while_the_server_is_paused(
    faults: ServerFaults, people: Crashing
) -> None:
    answers: list[Any] = []
    with people.connect() as connection:
        paused = faults.pause()
        thread = threading.Thread(
            target=lambda: answers.append(connection.execute("SELECT 1").fetchone())
        )
        thread.start()
        thread.join(SECONDS)
        before = list(answers)
        paused.end()
        thread.join()

    assert (before, answers) == ([], [(1,)])


@LINUX
def test_all_its_processes_are_paused(faults: ServerFaults, people: Crashing) -> None:
    kept = kept_of(people.server)
    with people.connect():
        (postmaster,) = children_of(kept.keeper.pid)
        family = [postmaster, *children_of(postmaster)]
        with faults.pause():
            paused = {state_of(pid) for pid in family}
        resumed = {state_of(pid) for pid in family}

    assert len(family) > 3
    assert paused == {"T"}
    assert "T" not in resumed


def test_a_new_connection_to_a_paused_server_times_out(
    faults: ServerFaults, people: Crashing
) -> None:
    address = people.server.address(people.name)
    with faults.pause(), socket.create_connection((address.host, address.port), SECONDS) as taken:
        taken.sendall(SSL_REQUEST)
        with pytest.raises(TimeoutError):
            taken.recv(1)


async def test_asyncpg_with_a_timeout_gives_up_on_a_paused_server(
    faults: ServerFaults, people: Crashing
) -> None:
    connection = await asyncpg.connect(people.server.address(people.name).url("libpq"))
    with faults.pause(), pytest.raises(TimeoutError):
        await connection.fetch("SELECT 1", timeout=SECONDS)
    found = await connection.fetchval("SELECT 2")
    await connection.close()

    assert found == 2


async def test_an_asynchronous_psycopg_waits_for_a_paused_server(
    faults: ServerFaults, people: Crashing
) -> None:
    url = people.server.address(people.name).url("libpq")
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        paused = faults.pause()
        asked = asyncio.create_task(connection.execute("SELECT 1"))
        done, _ = await asyncio.wait([asked], timeout=SECONDS)
        paused.end()
        answer = await (await asked).fetchone()
        with faults.kill(), pytest.raises(psycopg.OperationalError):
            await connection.execute("SELECT 1")

    assert (done, answer) == (set(), (1,))


async def test_a_killed_server_breaks_every_connection_and_refuses_new_ones(
    faults: ServerFaults, people: Crashing
) -> None:
    url = people.server.address(people.name).url("libpq")
    asynchronous = await asyncpg.connect(url)
    with contextlib.closing(people.connect()) as connection, faults.kill() as fault:
        with pytest.raises(psycopg.OperationalError, match="closed"):
            connection.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="refused"):
            people.connect()
        with pytest.raises((asyncpg.PostgresError, ConnectionError, asyncpg.InterfaceError)):
            await asynchronous.fetch("SELECT 1")
        with pytest.raises(ConnectionRefusedError):
            await asyncpg.connect(url)
    asynchronous.terminate()

    assert fault.struck == 1
    assert people.names() == TEMPLATE


def test_what_was_committed_before_the_kill_is_kept_and_what_was_open_is_not(
    faults: ServerFaults, people: Crashing
) -> None:
    people.run("INSERT INTO people (name) VALUES ('committed')")
    with contextlib.closing(people.connect()) as connection:
        connection.execute("BEGIN; INSERT INTO people (name) VALUES ('open')")
        faults.restart()

    assert people.names() == [*TEMPLATE, ("committed",)]


def test_every_acknowledged_commit_of_other_threads_is_kept(
    faults: ServerFaults, people: Crashing
) -> None:
    acknowledged: list[str] = []

    def write(thread: int) -> None:
        with contextlib.suppress(psycopg.OperationalError), people.connect() as connection:
            for number in itertools.count():
                name = f"{thread} {number}"
                connection.execute("INSERT INTO people (name) VALUES (%s)", (name,))
                acknowledged.append(name)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(acknowledged) > 20)
    faults.restart()
    for thread in threads:
        thread.join()
    found = {name for (name,) in people.names()}

    assert set(acknowledged) - found == set()


def test_lost_data_is_that_of_the_template(faults: ServerFaults, people: Crashing) -> None:
    people.run("INSERT INTO people (name) VALUES ('mine')", "CREATE TABLE more (id int)")
    faults.restart(data="lost")

    assert people.names() == TEMPLATE
    assert "public.more" not in people.contents()


@pytest.mark.parametrize("data", ["kept", "lost"])
def test_the_reset_makes_the_database_anew_and_fixtures_rows_stay(
    faults: ServerFaults, people: Crashing, data: Literal["kept", "lost"]
) -> None:
    template = people.contents()
    people.run("INSERT INTO people (name) VALUES ('fixture')")
    people.reset.claim(FIXTURE, since=None, who="a fixture")
    before = people.contents()
    people.run("INSERT INTO people (name) VALUES ('mine')", "DELETE FROM people WHERE id = 1")
    faults.restart(data=data)
    in_between = people.names()
    people.run("INSERT INTO people (name) VALUES ('more')")
    faults.restart(data=data)
    people.reset.finish("a test")
    after = people.contents()
    people.reset.end(FIXTURE)

    assert in_between == (
        [("bob",), ("o'hara",), ("fixture",), ("mine",)] if data == "kept" else TEMPLATE
    )
    assert after == before
    assert people.contents() == template
    assert people.replaced == 1


def test_what_a_later_fixture_wrote_behind_the_crash_stays_too(
    faults: ServerFaults, people: Crashing
) -> None:
    people.run("INSERT INTO people (name) VALUES ('before')")
    people.reset.claim(FIXTURE, since=None, who="a fixture")
    faults.restart()
    since = people.reset.snapshot()
    people.run("INSERT INTO people (name) VALUES ('behind')")
    people.reset.claim(FIXTURE + 1, since=since, who="another")
    people.run("DELETE FROM people")
    people.reset.finish("a test")

    assert people.names() == [*TEMPLATE, ("before",), ("behind",)]


def test_the_reset_works_as_ever_behind_it(faults: ServerFaults, people: Crashing) -> None:
    before = people.contents()
    faults.restart()
    people.reset.finish("a test")
    people.run("DELETE FROM people")
    people.reset.finish("the next test")

    assert people.contents() == before
    assert people.replaced == 1


def test_a_fixture_that_changed_the_schema_forbids_the_kill(
    faults: ServerFaults, people: Crashing
) -> None:
    people.run("CREATE TABLE more (id int)")
    people.reset.claim(FIXTURE, since=None, who="module fixture schema")
    with pytest.raises(TestkitError, match="TK642") as caught:
        faults.kill()
    people.reset.end(FIXTURE)

    assert "module fixture schema has changed the schema" in str(caught.value)


def test_unlogged_rows_forbid_the_kill(faults: ServerFaults, people: Crashing) -> None:
    people.run("CREATE UNLOGGED TABLE quick (id int)")
    faults.restart()  # empty, it loses nothing
    people.run("INSERT INTO quick VALUES (1)")
    with pytest.raises(TestkitError, match="TK642") as caught:
        faults.kill()

    assert "unlogged tables hold rows: quick" in str(caught.value)


def test_a_run_of_several_processes_shares_its_server(own_run: Run) -> None:
    shared = dataclasses.replace(own_run, workers=3)
    with pytest.raises(TestkitError, match="TK640") as caught:
        postgres_faults(shared, None, lambda: None)

    assert "the 3 processes of this run share it" in str(caught.value)
    assert "-n 0" in str(caught.value)


def test_a_server_of_others_is_none_to_disturb(own_run: Run) -> None:
    server = own_run.ensure_postgres()
    for changed in (
        dataclasses.replace(server, shared=True),
        dataclasses.replace(server, kept=None),
    ):
        other = dataclasses.replace(own_run, postgres=changed)
        with pytest.raises(TestkitError, match="TK640"):
            postgres_faults(other, None, lambda: None)
