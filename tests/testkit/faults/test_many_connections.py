"""A thousand connections at once."""

from __future__ import annotations

import contextlib
import resource
import socket
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.faults.faults import Faults
    from testkit.servers.redis import RedisServer

NUMBER = 1000


@pytest.fixture
def many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
def test_a_thousand_connections_are_served_at_once(
    faults: Faults, redis_server: RedisServer, many_files: None
) -> None:
    login = f"AUTH {redis_server.user} {redis_server.password}\r\n".encode()
    with contextlib.ExitStack() as stack:
        place = (faults.redis.host, faults.redis.port)
        clients = [stack.enter_context(socket.create_connection(place)) for _ in range(NUMBER)]
        for client in clients:
            client.sendall(login)
        answers = {client.recv(100) for client in clients}
        with faults.redis.reset() as fault:
            pass

    assert answers == {b"+OK\r\n"}
    assert fault.struck == NUMBER


@pytest.mark.slow
def test_who_comes_when_no_file_can_be_opened_waits(faults: Faults) -> None:
    place = (faults.redis.host, faults.redis.port)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as client, socket.socket() as probe:
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno() + 1, before[1]))
        try:
            client.connect(place)
            faults.redis.latency(0).end()  # by then the relay has tried
            told = str(faults.log)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        client.sendall(b"QUIT\r\n")
        answer = client.recv(100)
    for _, fault in faults.declared:
        fault.struck = 1

    assert "no connection could be taken: Too many open files" in told
    assert answer
