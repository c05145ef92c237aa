"""What may be done to the servers of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.pytest_plugin.session import key

if TYPE_CHECKING:
    from testkit.isolation.database import Database
    from testkit.faults.servers import ServerFaults
    from testkit.servers.redis import RedisServer


@pytest.fixture
def redis_faults(request: pytest.FixtureRequest, redis_server: RedisServer) -> ServerFaults:
    """What may be done to this process' Redis."""
    del redis_server
    return request.config.stash[key].worker.redis_faults()


@pytest.fixture
def postgres_faults(request: pytest.FixtureRequest, database: Database) -> ServerFaults:
    """What may be done to the Postgres of this run; it must be one of a single process."""
    del database
    return request.config.stash[key].worker.postgres_faults()
