"""Requests over TLS while the clock stands: what the server says by itself answers nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.clock import Clock

# For 127.0.0.1, until the year 2126; it guards nothing.
CERTIFICATE: Final = """
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgslxGkdxFhEs0MZ/D
7RSxi7OfVsZTYm2iRGhFiM62+RuhRANCAATuwSe2wR3i6H3wisiDyTsMIOYy/XXW
k5pwSeyzsGL+kxVFJWeqSKsZ+fAvWspJaNjmbWehOrZj7g2wvzSELtzs
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUHDNn1pqYpKLBpuZ1J45NsgEJvqAwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEzMDIwMjMzNFoYDzIxMjYxMTA2
MjAyMzM0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATuwSe2wR3i6H3wisiDyTsMIOYy/XXWk5pwSeyzsGL+kxVFJWeqSKsZ
+fAvWspJaNjmbWehOrZj7g2wvzSELtzso28wbTAdBgNVHQ4EFgQUImw/3CShRxCQ
dCCh715fJzCzxxswHwYDVR0jBBgwFoAUImw/3CShRxCQdCCh715fJzCzxxswDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIgfqRW9XxPr9YNutn/F850Tb4j/FP/kf1phQdhbFVomHACIQDz
dVcltPA8pNwQD6Cn1IY8BBKoxZeLqsgexPJAvyugag==
-----END CERTIFICATE-----
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The certificate and its key, as a file."""
    path = tmp_path / "server.pem"
    path.write_text(CERTIFICATE)
    return path


@pytest.fixture
def port(certificate: Path) -> Iterator[int]:
    """A server without an event loop, so that nothing of it is in flight; it takes its time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    never = threading.Event()

    def answer(listener: socket.socket) -> None:
        with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            while question := connection.recv(100):
                never.wait(0.03)
                connection.sendall(question.upper())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


async def test_an_answer_over_tls_is_waited_for(clock: Clock, certificate: Path, port: int) -> None:
    context = ssl.create_default_context(cafile=certificate)
    answers = []
    with clock.freeze():
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        for _ in range(3):
            async with asyncio.timeout(5):
                writer.write(b"question\n")
                answers.append(await reader.readline())
            await asyncio.sleep(3600)
    writer.close()
    with contextlib.suppress(ssl.SSLError):
        await writer.wait_closed()

    assert answers == [b"QUESTION\n"] * 3
