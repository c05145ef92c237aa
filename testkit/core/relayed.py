"""The relays of this process, and the server behind each."""

from __future__ import annotations

from typing import Final

from testkit.core.provided import canonical

__all__ = ["Relayed", "relayed"]

# Where every relay listens.
_HERE: Final = canonical("127.0.0.1")


class Relayed:
    """Known while a relay stands. Safe from any thread."""

    def __init__(self) -> None:
        self._servers: dict[int, tuple[str, int]] = {}

    def add(self, port: int, server: tuple[str, int]) -> None:
        """Note a relay, and host and port of the server that it leads to."""
        self._servers[port] = server

    def discard(self, port: int) -> None:
        """Forget a relay: its port may be anybody's now."""
        self._servers.pop(port, None)

    def port(self, port: int) -> int:
        """Return the port of the server behind a relay; any other port as it is."""
        server = self._servers.get(port)
        return port if server is None else server[1]

    def place(self, host: object, port: object) -> tuple[object, object]:
        """Return the place of the server behind a relay; any other place as it is."""
        if not self._servers or not str(port).isdecimal() or canonical(str(host)) != _HERE:
            return host, port
        return self._servers.get(int(str(port)), (host, port))


relayed = Relayed()
