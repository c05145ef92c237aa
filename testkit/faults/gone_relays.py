"""Relays that have ended, and the server that each led to. Pure."""

from __future__ import annotations

from typing import Final

from testkit.core.provided import canonical

__all__ = ["GoneRelays"]

# Where every relay listens.
_HERE: Final = canonical("127.0.0.1")


class GoneRelays:
    """What an application made on the URL of a relay leads on when that is gone."""

    def __init__(self) -> None:
        self._servers: dict[int, tuple[str, int]] = {}

    def add(self, port: int, server: tuple[str, int]) -> None:
        """Note a relay that has ended."""
        self._servers[port] = server

    def discard(self, port: int) -> None:
        """Note that a relay listens on this port: no former one is meant by it."""
        self._servers.pop(port, None)

    def server(self, host: object, port: object) -> tuple[str, int] | None:
        """Return the server behind a place; None where no relay was there, or one is."""
        if not str(port).isdecimal() or canonical(str(host)) != _HERE:
            return None
        return self._servers.get(int(str(port)))

    def leads_to(self, host: object, port: object) -> tuple[str, str]:
        """Return host and port that are meant by a place, in a form to compare."""
        host, port = self.server(host, port) or (host, port)
        return canonical(str(host)), str(port)
