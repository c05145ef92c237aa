"""Both ways in which nobody answers an attempt to connect."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from testkit.faults.drop_filter import SUPPORTED, DropFilter, FullBacklog

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not SUPPORTED, reason="only Linux counts what a socket dropped")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as found:
        found.setblocking(False)
        yield found


def shut(listener: socket.socket, way: str) -> DropFilter | FullBacklog:
    if way == "full backlog":
        return FullBacklog(listener, {})
    try:
        return DropFilter(listener)
    except PermissionError:
        pytest.skip("the kernel grants filters of sockets to root alone")


@pytest.mark.parametrize("way", ["filter", "full backlog"])
def test_nobody_answers_and_each_attempt_is_counted(listener: socket.socket, way: str) -> None:
    shutter = shut(listener, way)
    before = shutter.dropped()
    with pytest.raises(TimeoutError):
        socket.create_connection(listener.getsockname(), timeout=0.01)
    counted = shutter.dropped()
    shutter.end()
    listener.listen(16)

    assert (before, counted) == (0, 1)
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        assert client.getpeername() == listener.getsockname()


def test_a_queue_that_is_full_is_filled_once(listener: socket.socket) -> None:
    fillers: dict[object, socket.socket] = {}
    first, second = FullBacklog(listener, fillers), FullBacklog(listener, fillers)
    counts = (first.dropped(), second.dropped())
    client, address = listener.accept()
    client.close()
    first.end()

    assert counts == (0, 0)
    assert list(fillers) == [address]
