"""Bytes, ends and resets through a relay, as two bare sockets see them."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from testkit.faults.log import Log
from testkit.faults.loop import Loop
from testkit.faults.station import Station
from testkit.system.ports import HeldPort
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from testkit.faults.faults import Faults
    from tests.testkit.faults.conftest import Peer


def abort(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def everything(sock: socket.socket) -> bytes:
    """Return what comes until the end."""
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_bytes_pass_both_ways(peer: Peer) -> None:
    client, server = peer.pair()
    client.sendall(b"question")
    server.sendall(b"answer")

    assert (server.recv(100), client.recv(100)) == (b"question", b"answer")


def test_a_half_close_is_passed_on_as_one(peer: Peer) -> None:
    client, server = peer.pair()
    client.sendall(b"last words")
    client.shutdown(socket.SHUT_WR)
    heard = everything(server)
    server.sendall(b"still talking")
    server.close()

    assert (heard, everything(client)) == (b"last words", b"still talking")


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_reset_of_one_side_is_one_for_the_other(peer: Peer, who: str) -> None:
    client, server = peer.pair()
    gone, stays = (client, server) if who == "client" else (server, client)
    abort(gone)

    with pytest.raises(ConnectionResetError):
        stays.recv(1)


def test_what_the_server_said_before_its_reset_is_heard(peer: Peer, faults: Faults) -> None:
    client, server = peer.pair()
    server.sendall(b"FATAL: going down")
    wait_until(lambda: client.recv(1, socket.MSG_PEEK))
    abort(server)
    wait_until(lambda: "reset by server" in str(faults.log))

    assert client.recv(100) == b"FATAL: going down"
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_who_does_not_read_is_not_read_for(peer: Peer) -> None:
    client, server = peer.pair()
    client.setblocking(False)
    sent, data = 0, os.urandom(1024 * 1024)

    def full() -> bool:
        nonlocal sent
        before = sent
        try:
            sent += client.send(data)
        except BlockingIOError:
            return sent == before
        return False

    wait_until(lambda: full() and full() and full())
    client.setblocking(True)
    client.shutdown(socket.SHUT_WR)

    assert sent < 60_000_000
    assert len(everything(server)) == sent


def test_large_values_pass_in_order(peer: Peer) -> None:
    client, server = peer.pair()
    data = os.urandom(3_000_000)

    def send() -> None:
        client.sendall(data)
        client.close()

    sending = threading.Thread(target=send)
    sending.start()
    heard = everything(server)
    sending.join()

    assert heard == data


def test_bytes_keep_their_order_whatever_the_jitter(peer: Peer) -> None:
    client, server = peer.pair()
    data = b"".join(b"%04d" % n for n in range(50))
    with peer.relay.latency(0.002, jitter=0.002) as fault:
        for place in range(0, len(data), 4):
            client.sendall(data[place : place + 4])
        client.shutdown(socket.SHUT_WR)
        heard = everything(server)

    assert heard == data
    assert fault.struck >= 2


def test_a_slow_close_is_told_later(peer: Peer) -> None:
    client, server = peer.pair()
    with peer.relay.slow_close(0.02, direction="to_client") as fault:
        server.sendall(b"bye")
        began = time.monotonic()
        server.close()
        heard = everything(client)
        waited = time.monotonic() - began

    assert heard == b"bye"
    assert waited >= 0.02
    assert fault.struck == 1


def test_a_black_hole_holds_the_end_of_a_stream_too(peer: Peer, faults: Faults) -> None:
    client, server = peer.pair()
    server.settimeout(0.02)
    with peer.relay.black_hole() as fault:
        client.sendall(b"held")
        client.close()
        wait_until(lambda: fault.struck >= 2)
        with pytest.raises(TimeoutError):
            server.recv(1)
    server.settimeout(5)

    assert everything(server) == b"held"


def test_ended_latency_lets_everything_arrive_at_once(peer: Peer) -> None:
    client, server = peer.pair()
    with peer.relay.latency(60) as fault:
        client.sendall(b"late")
        wait_until(lambda: fault.struck)

    assert server.recv(100) == b"late"


def test_a_server_that_refuses_resets_the_client(faults: Faults) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        relay = faults.proxy(*gone.getsockname())
    with (
        pytest.raises(ConnectionResetError),  # already by connect, where that takes its time
        socket.create_connection((relay.host, relay.port), timeout=5) as client,
    ):
        client.recv(1)

    wait_until(lambda: len(faults.log) == 2)

    assert "the server cannot be reached: Connection refused" in str(faults.log)


def test_a_bare_socket_that_is_refused_counts(peer: Peer) -> None:
    with peer.relay.refuse() as fault, pytest.raises(ConnectionRefusedError):
        socket.create_connection((peer.relay.host, peer.relay.port), timeout=5)

    assert fault.struck == 1


def test_of_two_that_meet_an_attempt_both_may_end_in_any_order(peer: Peer) -> None:
    hole = peer.relay.connect_black_hole()
    with socket.socket() as client:
        client.settimeout(0.01)
        with pytest.raises(TimeoutError):
            client.connect((peer.relay.host, peer.relay.port))
    with peer.relay.refuse(), pytest.raises(ConnectionRefusedError):
        peer.pair()
    second = peer.relay.connect_black_hole()
    hole.end()
    with socket.socket() as client:
        client.settimeout(0.01)
        with pytest.raises(TimeoutError):
            client.connect((peer.relay.host, peer.relay.port))
    second.end()
    client, server = peer.pair()
    client.sendall(b"through")

    assert (hole.struck, second.struck) == (1, 1)
    assert server.recv(100) == b"through"


def test_the_same_place_has_the_same_relay(faults: Faults, peer: Peer) -> None:
    name = peer.relay._name.removeprefix("faults.proxy(").rstrip(")").split(", ")[1]

    assert faults.proxy("127.0.0.1", int(name)) is peer.relay


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_child_process_keeps_no_connection_open(peer: Peer) -> None:
    client, _ = peer.pair()
    reads, writes = os.pipe()
    child = os.fork()
    if not child:
        os.close(writes)
        os.read(reads, 1)
        os._exit(0)
    os.close(reads)
    peer.relay.reset().end()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    os.close(writes)

    assert os.waitpid(child, 0) == (child, 0)


def test_what_passed_is_in_the_log(peer: Peer, faults: Faults) -> None:
    client, server = peer.pair()
    client.sendall(b"12345")
    server.recv(100)
    client.close()
    server.close()
    wait_until(lambda: len(faults.log) == 2)

    assert [entry.what for entry in faults.log] == [
        "connected",
        "closed by client (5 bytes to the server, 0 to the client)",
    ]


def test_a_server_is_reached_at_the_first_of_its_addresses_that_answers() -> None:
    # As where localhost is ::1 first, and the server listens at 127.0.0.1.
    nobody, loop, log = HeldPort(), Loop(), Log()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        addresses = [("127.0.0.1", nobody.port), listener.getsockname()]
        servers = [(int(socket.AF_INET), address) for address in addresses]
        station = loop.call(lambda: Station(loop, "relay", servers, log, seed=1))
        with socket.create_connection(("127.0.0.1", station.port), timeout=5) as client:
            client.sendall(b"question")
            server, _ = listener.accept()
            with server:
                heard = server.recv(8)
                server.sendall(b"answer")
            answer = everything(client)
    loop.call(station.close)
    loop.stop()
    nobody.release()

    assert (heard, answer) == (b"question", b"answer")
    assert "cannot be reached" not in str(log)


def test_where_no_address_answers_the_client_is_reset() -> None:
    first, second, loop, log = HeldPort(), HeldPort(), Loop(), Log()
    servers = [(int(socket.AF_INET), ("127.0.0.1", held.port)) for held in (first, second)]
    station = loop.call(lambda: Station(loop, "relay", servers, log, seed=1))
    with (
        socket.create_connection(("127.0.0.1", station.port), timeout=5) as client,
        pytest.raises(ConnectionResetError),
    ):
        client.recv(1)
    # In its own thread, behind what it was doing when the client heard of it.
    left = loop.call(lambda: len(loop.sockets))
    loop.call(station.close)
    loop.stop()
    first.release()
    second.release()

    assert "the server cannot be reached: Connection refused" in str(log)
    assert left == 3  # the loop's own two, and the one that listens
