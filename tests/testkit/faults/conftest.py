"""Clients that talk through relays, and a bare peer."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from tests.support.fault_clients import CLIENTS, SOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from testkit.faults.faults import Faults
    from tests.support.fault_clients import Client


@pytest.fixture(params=CLIENTS, ids=lambda kind: kind.__name__)
async def client(request: pytest.FixtureRequest, faults: Faults) -> AsyncIterator[Client]:
    """Each client in turn, not yet connected."""
    found: Client = request.param(faults)
    yield found
    await found.close()


# libpq waits for two seconds at least.
@pytest.fixture(params=[c for c in CLIENTS if c.late], ids=lambda kind: kind.__name__)
async def waiting(request: pytest.FixtureRequest, faults: Faults) -> AsyncIterator[Client]:
    """Each client that can give up waiting, not yet connected."""
    found: Client = request.param(faults, SOON)
    yield found
    await found.close()


class Peer:
    """A listening socket whose connections a test holds in its own hands."""

    def __init__(self, faults: Faults) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(5)
        self.relay = faults.proxy(*self._listener.getsockname())
        self._open: list[socket.socket] = []

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """Return a client's socket and the server's, with the relay between them."""
        client = socket.create_connection((self.relay.host, self.relay.port), timeout=5)
        server, _ = self._listener.accept()
        server.settimeout(5)
        self._open += [client, server]
        return client, server

    def close(self) -> None:
        """Close everything."""
        for each in [*self._open, self._listener]:
            each.close()


@pytest.fixture
def peer(faults: Faults) -> Iterator[Peer]:
    """A bare peer behind a relay."""
    found = Peer(faults)
    yield found
    found.close()
