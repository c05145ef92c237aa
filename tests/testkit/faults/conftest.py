"""What may be done to the servers of this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.core.options import Settings
from testkit.pytest_plugin.session import key
from tests.support.runs import new_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.faults.servers import ServerFaults
    from testkit.servers.redis import RedisServer
    from testkit.servers.run import Run


@pytest.fixture
def redis_faults(request: pytest.FixtureRequest, redis_server: RedisServer) -> ServerFaults:
    """What may be done to this process' Redis."""
    del redis_server
    return request.config.stash[key].worker.redis_faults()


@pytest.fixture(scope="module")
def own_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run of its own, with a Postgres that nobody else works on."""
    run = new_run(tmp_path_factory.mktemp("own"), Settings())
    run.ensure_database()
    yield run
    run.close()
