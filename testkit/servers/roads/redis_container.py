"""The road ``docker`` to Redis: a container for each process of a run."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.servers.containers.start import (
    POLL_SECONDS,
    start_container,
    stopped_on_failure,
    wait_for_container,
)
from testkit.servers.redis import answering

if TYPE_CHECKING:
    from testkit.core.addresses import Address
    from testkit.servers.containers.images import Image
    from testkit.servers.redis import RedisServer
    from testkit.servers.run import Run

__all__ = ["start_redis_container"]

_PORT: Final = 6379
_CONFIGURATION: Final = """\
port {port}
requirepass {password}
save ""
appendonly no
daemonize no
databases 16
enable-debug-command yes
"""
# In a file: an argument would show the password in the list of processes.
_FILE: Final = "/testkit-redis.conf"


def start_redis_container(run: Run, image: Image, address: Address) -> RedisServer:
    """Start a container at the address. Raises TK101, TK107, TK108."""
    text = _CONFIGURATION.format(port=_PORT, password=address.password)
    kept = start_container(
        run,
        image,
        f"redis-{run.worker}",
        address,
        owners=[run.owner, run.me],
        inside=_PORT,
        environment={},
        command=["redis-server", _FILE],
        files={_FILE: text},
    )
    facts: dict[str, str] = {}

    def failure() -> str | None:
        with redis.Redis(
            host=address.host,
            port=address.port,
            password=address.password,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
            client_name="testkit",
        ) as client:
            try:
                facts.update(client.info("server"))
            except (redis.ConnectionError, redis.TimeoutError) as error:
                time.sleep(POLL_SECONDS)
                return str(error)
        return None

    with stopped_on_failure(kept):
        wait_for_container(run, image, kept, failure)
        return answering(facts, address, backend="docker", reason=image.reason(), kept=kept)
