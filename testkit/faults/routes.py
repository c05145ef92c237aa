"""What leads through relays, and where it leads when they are gone; for one process."""

from __future__ import annotations

from testkit.faults.client_routes import ClientRoutes
from testkit.faults.engine_routes import EngineRoutes
from testkit.faults.gone_relays import GoneRelays

__all__ = ["Routes"]


class Routes:
    """Outlives the tests: what an application made through a relay may live longer than it."""

    def __init__(self) -> None:
        self.gone = GoneRelays()
        self.engines = EngineRoutes(self.gone)
        self.clients = ClientRoutes(self.gone)

    def begin(self, port: int) -> None:
        """Note that a relay listens on this port."""
        self.gone.discard(port)

    def end(self, kind: str, port: int, server: tuple[str, int]) -> None:
        """Let what led to the relay in front of a ``database`` or ``redis`` lead to that."""
        self.gone.add(port, server)
        if kind == "database":
            self.engines.end(port)
        else:
            self.clients.end(port, server)

    def close(self) -> None:
        """Put every library back as it was."""
        self.engines.close()
        self.clients.close()
