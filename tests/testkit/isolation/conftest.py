"""Postgres seen by a superuser and by a role that may make databases, and no more; a Redis of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from testkit.core.current import Periods
from testkit.core.options import Settings
from testkit.isolation.keyspace import Keyspace
from testkit.isolation.pools import PoolWatch
from tests.support.keyspaces import Client
from tests.support.runs import new_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer


#: The fixtures of both, for a parametrization.
ROLES: Final = ["postgres_server", pytest.param("owner_server", marks=pytest.mark.slow)]


@pytest.fixture(params=ROLES)
def server(request: pytest.FixtureRequest) -> PostgresServer:
    """The server as each kind of role sees it."""
    found: PostgresServer = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[Client]:
    """The application's clients of this worker's Redis."""
    client = Client(redis_server)
    yield client
    client.close()


@pytest.fixture
def keyspace(redis_server: RedisServer, client: Client) -> Iterator[Keyspace]:
    """What resets this worker's Redis, beside the one of the plugin that the tests run under."""
    client().script_flush()  # of wider fixtures elsewhere in the run: the plugin lets them stay
    keyspace = Keyspace(redis_server.address)
    yield keyspace
    keyspace.close()
    # What it let a fixture keep, the plugin cannot know of: it has set the counts to nought.
    client().script_flush()


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Client]:
    """The clients of a Redis that ends with the test."""
    run = new_run(tmp_path, Settings())
    client = Client(run.ensure_redis())
    yield client
    client.close()
    run.close()


@pytest.fixture
def periods() -> Periods:
    """What tells one test from another, for a watch."""
    return Periods()


@pytest.fixture
def watch(postgres_server: PostgresServer, periods: Periods) -> Iterator[PoolWatch]:
    """A watch on pools of our own, beside the one of the plugin that the tests run under."""
    watch = PoolWatch(postgres_server.port, periods)
    watch.start()
    yield watch
    watch.stop()
