"""Whether a server of a run has ended in the middle of it."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.system.files import tail

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer
    from testkit.servers.run import Run

__all__ = ["find_gone"]

_PAUSE: Final = 0.01
_CONNECT_SECONDS: Final = 5.0


def find_gone(run: Run, *, seconds: float = 0) -> TestkitError | None:
    """Return TK303 for a server that this process used and that has ended; None while all run.

    A server's connections end before its keeper knows how it ended: with ``seconds`` that news is
    waited for, and a server that testkit does not run is asked whether it takes connections. Ask
    for that only when something failed.
    """
    servers = [
        (what, server)
        for what, server in (("Postgres", run.postgres), ("Redis", run.redis))
        if server is not None
    ]
    if seconds and (found := _unreachable(servers)) is not None:
        return found
    own = [(what, server.kept) for what, server in servers if server.kept is not None]
    deadline = time.monotonic() + seconds
    while own:
        for what, kept in own:
            if (reason := kept.has_ended()) is not None:
                return TestkitError(
                    "TK303",
                    server=what,
                    reason=reason,
                    directory=kept.directory,
                    log=tail(kept.log),
                )
        if time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE)
    return None


def _unreachable(servers: list[tuple[str, PostgresServer | RedisServer]]) -> TestkitError | None:
    """Return TK303 for a server of others at whose address nobody listens."""
    for what, server in servers:
        if server.kept is not None:
            continue
        try:
            socket.create_connection((server.host, server.port), timeout=_CONNECT_SECONDS).close()
        except OSError as error:
            return TestkitError(
                "TK303",
                server=what,
                reason=error.strerror or error,
                directory=f"{server.host}:{server.port}",
                log="(its log is with whoever runs it)",
            )
    return None
