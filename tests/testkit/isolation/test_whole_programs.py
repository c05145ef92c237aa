"""Random programs on Postgres and Redis at once leave the dumps of both as they were."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol

import psycopg
import pytest
import redis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from testkit.core.messages import TestkitError
from testkit.isolation.reset import DatabaseReset
from tests.support.dumps import dump
from tests.support.journalled import Journalled, journalled
from tests.support.keyspaces import LIBRARY, kept, settle, state
from tests.support.programs import COMMANDS, DEFINITIONS, ENDS, OTHERS, SCHEMA, STATEMENTS, Command
from tests.support.sizes import seed_of, sized
from tests.support.spares import spares_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from testkit.isolation.keyspace import Keyspace
    from testkit.servers.postgres import PostgresServer
    from tests.support.keyspaces import Client, Raw


class Undoing(Protocol):
    """A database whose changes a mode of isolation undoes."""

    def connect(self) -> psycopg.Connection[Any]: ...

    def undo(self) -> None: ...

    def dump(self) -> str: ...

    def renew(self) -> None: ...


class ByReset:
    """The mode ``reset``."""

    def __init__(self, database: Journalled) -> None:
        self.database = database
        self.connect = database.connect

    def undo(self) -> None:
        try:
            self.put_back()
        except TestkitError as error:
            # A transaction that the program left open had to be ended: a fault of the test, and
            # the database is as it was all the same.
            if error.code != "TK302":
                raise

    def put_back(self) -> None:
        self.database.reset.finish("a program", patience=0)

    def dump(self) -> str:
        journal = self.database.reset._journal.schema
        return dump(self.database.server, self.database.name, without=journal)

    def renew(self) -> None:
        self.database.server.create_database(self.database.name)


@contextlib.contextmanager
def by_reset(server: PostgresServer, *schema: str) -> Iterator[ByReset]:
    with journalled(server, *schema) as database:
        yield ByReset(database)


class ByClone(ByReset):
    """The mode ``clone``, with spare databases."""

    def put_back(self) -> None:
        try:
            self.database.reset.exchange("a program", patience=0)
        finally:
            self.database.reset.begin_clone()


@contextlib.contextmanager
def by_clone(server: PostgresServer, *schema: str) -> Iterator[ByClone]:
    with (
        journalled(server, *schema) as database,
        spares_of(database.server, database.name) as spares,
    ):
        database.reset.close()
        database.reset = DatabaseReset(
            database.server, database.name, replaced=lambda: None, make=spares.replace
        )
        database.reset.begin_clone()
        spares.start()
        yield ByClone(database)


#: By name: each makes a database from a schema and gives what undoes programs on it.
MODES: Final[dict[str, Callable[..., AbstractContextManager[Undoing]]]] = {
    "reset": by_reset,
    "clone": by_clone,
}

WHOLE_SCHEMA = (
    *SCHEMA,
    "CREATE SEQUENCE alone INCREMENT 5",
    "CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM c",
)
ROWS = st.one_of(STATEMENTS, STATEMENTS, OTHERS, st.sampled_from(ENDS))


def programs(*actions: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[int, Any]]]:
    """Return programs on three connections; in half of them there are definitions, too."""
    plain, more = st.one_of(*actions), st.one_of(*actions, DEFINITIONS)
    steps = [st.tuples(st.integers(0, 2), action) for action in (plain, more)]
    return st.one_of(*(st.lists(step, min_size=8, max_size=40) for step in steps))


#: How each connection ends.
ENDINGS = st.tuples(*[st.sampled_from(["COMMIT", "ROLLBACK", "leave"])] * 3)
CHECKS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
PHASES = [Phase.generate, Phase.shrink]
#: What can be broken about a reset from outside, without its code.
FAULTS: Final = {
    "a table is not watched": "ALTER TABLE c DISABLE TRIGGER ALL",
    "a sequence is not put back": "DELETE FROM {0}.sequence_mark WHERE rel = 'a_n_seq'::regclass",
    "definitions are not noticed": "ALTER EVENT TRIGGER testkit_ddl DISABLE; ALTER EVENT TRIGGER testkit_drop DISABLE",
}


@pytest.fixture(scope="module", params=MODES)
def programmed(
    request: pytest.FixtureRequest, postgres_server: PostgresServer
) -> Iterator[Undoing]:
    with MODES[request.param](postgres_server, *WHOLE_SCHEMA) as database:
        yield database


def fixture(client: Any) -> None:
    """Leave in Redis what a test starts from: a key of each type, one that expires, a function, a user."""
    client.set("a", 1, ex=100_000)  # longer than the test takes with all of its programs
    client.rpush("list", 1, 2)
    client.sadd("set", 1)
    client.zadd("sorted", {"x": 1})
    client.hset("hash", "f", "v")
    client.xgroup_create("stream", "1", mkstream=True)
    client.config_set("timeout", 2000)
    client.acl_setuser("kept", enabled=True, nopass=True, commands=["+get"])
    client.function_load(LIBRARY.replace("mine", "theirs").replace("answer", "more"))


def carry_out(
    database: Undoing,
    redis_connections: list[Raw],
    steps: list[tuple[int, str | Command]],
    endings: tuple[str, ...],
    server: Any,
) -> None:
    """Do what a test may do; errors of the statements are part of it."""
    with contextlib.ExitStack() as stack:
        connections = [database.connect() for _ in range(3)]
        for connection in connections:
            stack.callback(connection.close)
            connection.execute("SET lock_timeout = '20ms'")
        for number, step in steps:
            if isinstance(step, tuple):
                with contextlib.suppress(redis.ConnectionError):  # it may have ended this one
                    redis_connections[number].send(step)
                    settle(server)
                continue
            try:
                connections[number].execute(step.encode())
            except psycopg.Error:
                with contextlib.suppress(psycopg.Error):
                    connections[number].execute("ROLLBACK")
        for connection, ending in zip(connections, endings, strict=True):
            if ending != "leave":
                with contextlib.suppress(psycopg.Error):
                    connection.execute(ending)
        database.undo()


@pytest.mark.parametrize("times", sized("programs"))
def test_the_dumps_of_both_servers_are_as_before_any_program(
    request: pytest.FixtureRequest,
    programmed: Undoing,
    client: Client,
    keyspace: Keyspace,
    times: int,
) -> None:
    kept(keyspace, 1, lambda: fixture(client()))
    before = programmed.dump(), state(client.server)
    ran = []

    @seed(seed_of(request.config))
    @settings(
        max_examples=times,
        deadline=None,
        database=None,
        suppress_health_check=CHECKS,
        phases=PHASES,
    )
    @given(steps=programs(ROWS, COMMANDS), endings=ENDINGS)
    def any_program(steps: list[tuple[int, str | Command]], endings: tuple[str, ...]) -> None:
        raws = [client.connection() for _ in range(3)]
        carry_out(programmed, raws, steps, endings, client.server)
        keyspace.finish()
        for raw in raws:
            raw.close()
        ran.append(steps)
        after = programmed.dump(), state(client.server)
        if after != before:
            programmed.renew()  # or every smaller program would seem to fail, too

        assert after == before

    try:
        any_program()
    finally:
        keyspace.end(1)

    assert len(ran) >= times


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_reset_that_is_broken_is_found_out(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, fault: str
) -> None:
    with journalled(postgres_server, *WHOLE_SCHEMA, changes_template=True) as database:
        programmed = ByReset(database)
        journal = programmed.database.reset._journal.schema
        # Quiet: or it were noted as definitions of the test, for which the database is made anew,
        # which must not heal it either.
        broken = f"SET testkit.quiet = 'on'; {fault.format(journal)}".encode()
        server = programmed.database.server
        for name in (server.template, programmed.database.name):
            with server.connect(name) as connection:
                connection.execute(broken)
        before = programmed.dump()

        @seed(seed_of(request.config))
        @settings(
            max_examples=100,
            deadline=None,
            database=None,
            suppress_health_check=CHECKS,
            phases=[Phase.generate],
        )
        @given(
            steps=programs(ROWS),
            endings=ENDINGS,
        )
        def any_program(steps: list[tuple[int, str | Command]], endings: tuple[str, ...]) -> None:
            carry_out(programmed, [], steps, endings, None)

            assert programmed.dump() == before

        with pytest.raises(AssertionError, match="-- Postg"):
            any_program()
