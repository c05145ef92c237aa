"""Which servers of a run this process may disturb: those that nobody else works on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.faults.postgres_process import PostgresContainer, PostgresProcess
from testkit.faults.redis_process import RedisProcess
from testkit.faults.servers import ServerFaults
from testkit.servers.run import loaded

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.postgres_process import Journalled
    from testkit.servers.run import Run

__all__ = ["postgres_faults", "redis_faults"]

# In the working directory of the server, also in a container.
_DUMP: Final = "dump.rdb"
_CONTAINER: Final = "containers.disturbed:DisturbedContainer"
_OWN: Final = "on a server that the run starts itself (no URL in [tool.testkit], no testkit up)"
_ALONE: Final = "in one process (-n 0)"


def redis_faults(run: Run, started: Callable[[], None]) -> ServerFaults:
    """Return what may be done to this process' Redis. Raises TK640 where it is leased.

    ``started`` is called when it was killed and runs again.
    """
    server = run.ensure_redis()
    kept = server.kept
    if kept is None:
        raise _refused("Redis", server.host, server.port, "testkit does not run it", _OWN)
    if server.backend == "docker":
        container = loaded(_CONTAINER)(kept)
        process = RedisProcess(server, container, lambda: container.remove(_DUMP), started)
    else:
        dump = kept.directory / _DUMP
        process = RedisProcess(server, kept, lambda: dump.unlink(missing_ok=True), started)
    return ServerFaults(process)


def postgres_faults(
    run: Run, journalled: Journalled | None, started: Callable[[], None]
) -> ServerFaults:
    """Return what may be done to the run's Postgres. Raises TK640 where others work on it.

    ``journalled`` undoes the tests, ``started`` is called when it was killed and runs again.
    """
    server, why, otherwise = run.ensure_postgres(), "", _OWN
    if server.shared or server.kept is None:
        why = "testkit does not run it, or it outlives this run"
    elif run.processes > 1:
        why, otherwise = f"the {run.processes} processes of this run share it", _ALONE
    if why:
        raise _refused("Postgres", server.host, server.port, why, otherwise)
    if server.backend == "docker":
        return ServerFaults(PostgresContainer(server, loaded(_CONTAINER)(server.kept)))
    return ServerFaults(PostgresProcess(server, run.database, journalled, started))


def _refused(server: str, host: str, port: int, why: str, otherwise: str) -> TestkitError:
    place = f"{host}:{port}"
    return TestkitError("TK640", server=server, why=why, place=place, otherwise=otherwise)
