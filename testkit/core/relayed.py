"""The ports of relays in this process, and the port of the server behind each."""

from __future__ import annotations

__all__ = ["Relayed", "relayed"]


class Relayed:
    """Known while a relay stands. Safe from any thread."""

    def __init__(self) -> None:
        self._servers: dict[int, int] = {}

    def add(self, port: int, server: int) -> None:
        """Note a relay and the port of the server that it leads to."""
        self._servers[port] = server

    def discard(self, port: int) -> None:
        """Forget a relay: its port may be anybody's now."""
        self._servers.pop(port, None)

    def server(self, port: int) -> int:
        """Return the port of the server behind a relay; any other port as it is."""
        return self._servers.get(port, port)


relayed = Relayed()
