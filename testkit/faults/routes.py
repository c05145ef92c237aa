"""What leads through relays, and where it leads when they are gone; for one process."""

from __future__ import annotations

from testkit.faults.client_routes import ClientRoutes
from testkit.faults.engine_routes import EngineRoutes

__all__ = ["Routes"]


class Routes:
    """Outlives the tests: what an application made through a relay may live longer than it."""

    def __init__(self) -> None:
        self.engines = EngineRoutes()
        self.clients = ClientRoutes()

    def begin(self, port: int) -> None:
        """Note that a relay listens on this port."""
        self.engines.begin(port)
        self.clients.begin(port)

    def end(self, kind: str, port: int, server: tuple[str, int]) -> None:
        """Let what led to the relay in front of a ``database`` or ``redis`` lead to that."""
        (self.engines if kind == "database" else self.clients).end(port, server)

    def close(self) -> None:
        """Put every library back as it was."""
        self.engines.close()
        self.clients.close()
