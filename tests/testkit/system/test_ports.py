"""A held port: nobody else gets it, the server that is meant for it does. Whose a port is."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from testkit.system.ports import LOOPBACK, HeldPort, is_held_here, ports_apart

if TYPE_CHECKING:
    from collections.abc import Iterator

APART = pytest.mark.skipif(not ports_apart(), reason="the kernel may choose every port")
HOLDS = pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux lets two sockets share a port that one holds"
)


@pytest.fixture
def held() -> Iterator[HeldPort]:
    port = HeldPort()
    yield port
    port.release()


def bound(port: int, *, reuse: bool) -> socket.socket:
    taker = socket.socket()
    try:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        taker.bind((LOOPBACK, port))
    except BaseException:
        taker.close()
        raise
    return taker


@HOLDS
def test_a_program_that_does_not_share_cannot_take_the_port(held: HeldPort) -> None:
    with pytest.raises(OSError, match="in use") as caught:
        bound(held.port, reuse=False)

    assert caught.value.errno == errno.EADDRINUSE


@HOLDS
def test_the_kernel_gives_the_port_to_nobody_who_asks_for_any(held: HeldPort) -> None:
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(bound(0, reuse=True)) for _ in range(500)]
        ports = {other.getsockname()[1] for other in others}

    assert held.port not in ports


@APART
def test_a_port_apart_is_none_that_the_kernel_chooses_and_held_like_any() -> None:
    held, other = HeldPort(apart=True), HeldPort(apart=True)
    try:
        with pytest.raises(OSError, match="in use"):
            bound(held.port, reuse=False)
        with bound(held.port, reuse=True) as server:
            server.listen()
            socket.create_connection((LOOPBACK, held.port), timeout=5).close()
    finally:
        held.release()
        other.release()

    assert {held.port, other.port} <= set(ports_apart())
    assert held.port != other.port


@APART
def test_a_process_takes_a_port_apart_anew_only_behind_all_others() -> None:
    taken = []
    for _ in range(100):
        held = HeldPort(apart=True)
        held.release()
        taken.append(held.port)

    assert len(set(taken)) == min(100, len(ports_apart()))


@HOLDS
def test_the_server_that_it_is_meant_for_listens_beside_the_holder(held: HeldPort) -> None:
    with bound(held.port, reuse=True) as server:
        server.listen()
        with socket.create_connection((LOOPBACK, held.port), timeout=5) as client:
            answered, _ = server.accept()
            with answered:
                answered.sendall(b"hello")
            words = client.recv(5)

    assert words == b"hello"


def test_a_connection_is_refused_while_nobody_listens(held: HeldPort) -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, held.port), timeout=5)


def test_a_server_keeps_the_port_when_the_holder_lets_go() -> None:
    held = HeldPort()
    with bound(held.port, reuse=True) as server:
        server.listen()
        held.release()
        socket.create_connection((LOOPBACK, held.port), timeout=5).close()

        with pytest.raises(OSError, match="in use"):
            bound(held.port, reuse=True)


def test_a_released_port_is_free_again_and_may_be_released_twice(held: HeldPort) -> None:
    held.release()
    held.release()
    bound(held.port, reuse=False).close()

    assert held.port > 0


def test_a_held_port_is_not_inherited_by_child_processes(held: HeldPort) -> None:
    assert not held._socket.get_inheritable()


def test_a_bound_port_is_our_own_whether_it_listens_or_not() -> None:
    with bound(0, reuse=False) as own:
        port = own.getsockname()[1]
        before = is_held_here(port)
        own.listen()

        assert (before, is_held_here(port)) == (True, True)
    assert not is_held_here(port)


def test_a_port_is_our_own_whichever_library_bound_it() -> None:
    with bound(0, reuse=False) as own:
        port = own.getsockname()[1]
        descriptor = own.detach()
    try:
        assert is_held_here(port)
    finally:
        os.close(descriptor)


def test_the_near_end_of_a_connection_is_no_port_that_we_hold() -> None:
    with (
        socket.create_server((LOOPBACK, 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        far, near = server.getsockname()[1], client.getsockname()[1]

        assert (is_held_here(far), is_held_here(near)) == (True, False)


def test_the_port_of_another_process_is_not_our_own() -> None:
    script = (
        "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]);"
        "import sys; sys.stdout.flush(); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        found = is_held_here(port)
        child.communicate()

    assert not found


def test_the_path_of_a_unix_socket_is_our_own() -> None:
    # Not in pytest's folder: a socket's path holds 104 bytes on macOS.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as own:
        own.bind(f"{folder}/s")

        assert is_held_here(f"{folder}/s")
        assert not is_held_here(f"{folder}/t")


def test_a_look_at_the_descriptors_changes_none_of_them() -> None:
    before = socket.getdefaulttimeout()
    with bound(0, reuse=False) as own:
        socket.setdefaulttimeout(5)
        try:
            is_held_here(1)
        finally:
            socket.setdefaulttimeout(before)

        assert os.get_blocking(own.fileno())
