"""Random programs on three connections are undone exactly."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.journalled import Journalled, journalled
from tests.support.programs import SCHEMA, STATEMENTS, STEPS
from tests.testkit.isolation.conftest import ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.servers.postgres import PostgresServer


@pytest.fixture(scope="module", params=ROLES)
def programmed(request: pytest.FixtureRequest) -> Iterator[Journalled]:
    server: PostgresServer = request.getfixturevalue(request.param)
    with journalled(server, *SCHEMA) as database:
        yield database


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate, Phase.shrink],
)
@given(steps=st.lists(STEPS, min_size=8, max_size=40))
def test_any_program_is_undone(programmed: Journalled, steps: list[tuple[int, str]]) -> None:
    before = programmed.contents()
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(programmed.connect()) for _ in range(3)]
        for connection in connections:
            connection.execute("SET lock_timeout = '20ms'")
        for number, statement in steps:
            connection = connections[number]
            try:
                connection.execute(statement.encode())
            except psycopg.Error:
                # Broken constraints and met locks are part of the program; so is what comes after.
                connection.execute("ROLLBACK")
        for connection in connections:
            with contextlib.suppress(psycopg.Error):
                connection.execute("COMMIT")
    programmed.reset.finish("a program")

    assert programmed.contents() == before


@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.generate, Phase.shrink],
)
@given(
    programs=st.lists(st.lists(STATEMENTS, max_size=12), min_size=3, max_size=3),
    order=st.permutations([1, 2, 3]),
)
def test_owners_leave_nothing_whatever_they_did_and_in_whatever_order_they_end(
    programmed: Journalled, programs: list[list[str]], order: list[int]
) -> None:
    before = programmed.contents()
    with programmed.connect() as connection:
        for owner, program in enumerate(programs, 1):
            since = programmed.reset.snapshot()
            for statement in program:
                with contextlib.suppress(psycopg.Error):
                    connection.execute(statement.encode())
            programmed.reset.claim(owner, since=since, who=f"fixture {owner}")
            kept = programmed.contents()
            with contextlib.suppress(psycopg.Error):
                connection.execute("DELETE FROM a")
            programmed.reset.finish("a test between")

            assert programmed.contents() == kept

    for owner in order:
        programmed.reset.end(owner)

    assert programmed.contents() == before
