"""Clients that say nothing, never finish, or never read: nobody else notices them."""

import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.cos.commands import Served, serving
from tests.cos.factories import ModuleFactory
from tests.support.waiting import wait_until

MANY = 200
LIVE = b"GET /board/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
pytestmark = pytest.mark.slow


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(COS_LOG_LEVEL="warning") as served:
        yield served


def _connect(served: Served, open_ones: ExitStack, *, said: bytes) -> list[socket.socket]:
    address = urlsplit(served.url)
    assert address.hostname is not None
    clients = []
    for _ in range(MANY):
        place = (address.hostname, address.port or 0)
        client = open_ones.enter_context(socket.create_connection(place, timeout=20))
        client.sendall(said)
        clients.append(client)
    return clients


def _in_flight(served: Served) -> int:
    with urllib.request.urlopen(f"{served.url}/metrics", timeout=10) as answer:
        found = re.search(r"cos_http_requests_in_flight (\d+)", answer.read().decode())
    assert found is not None
    return int(found[1])


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: loc"], ids=["nothing", "half"])
def test_clients_that_never_finish_a_request_hold_up_neither_others_nor_the_end(
    served: Served, said: bytes
) -> None:
    with ExitStack() as open_ones:
        _connect(served, open_ones, said=said)
        status = served.ask("GET", "/cc/modules")[0]
        code = served.stop()

    assert (status, code) == (200, 0)
    # The server says so where it waited in vain.
    assert "Cancel" not in served.log


def test_pages_that_never_read_hold_up_nobody_and_are_forgotten_when_they_go(
    served: Served,
) -> None:
    with ExitStack() as open_ones:
        pages = _connect(served, open_ones, said=LIVE)
        wait_until(lambda: _in_flight(served) > MANY)
        made = served.ask("POST", "/cc/modules", ModuleFactory.payload())[2]
        changes = [
            served.ask("PATCH", f"/cc/modules/{made['id']}", {"version": str(number)})[0]
            for number in range(2, 52)
        ]
        for page in pages[: MANY // 2]:
            page.close()
        wait_until(lambda: _in_flight(served) <= MANY // 2 + 1)
        code = served.stop()

    assert changes == [200] * 50
    assert code == 0
    assert "Cancel" not in served.log


def test_requests_that_are_sent_at_once_are_all_answered_to_who_reads_late(served: Served) -> None:
    address = urlsplit(served.url)
    request = b"GET /cc/openapi.json HTTP/1.1\r\nHost: localhost\r\n"
    with socket.create_connection((address.hostname, address.port or 0), timeout=20) as client:
        client.sendall((request + b"\r\n") * MANY + request + b"Connection: close\r\n\r\n")
        others = served.ask("GET", "/cc/modules")[0]
        received = b""
        while piece := client.recv(1_000_000):
            received += piece

    assert (others, received.count(b"HTTP/1.1 200 ")) == (200, MANY + 1)
