"""Requests byte by byte, over real sockets: what no client library would send."""

import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from cos.api.body_limits import MAX_BYTES
from tests.cos.commands import Served, serving

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
GET = b"GET /cc/health/live HTTP/1.1\r\n"
POST = b"POST /cc/modules HTTP/1.1\r\n" + HOST + JSON
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    # It lives for longer than a test, and so must not be subscribed to the Redis of one.
    with serving(REDIS_URL="unix:///nowhere.sock") as running:
        yield running


def _said(served: Served, request: bytes) -> list[int]:
    """Return the statuses of all answers until the server closes the connection."""
    address = urlsplit(served.url)
    assert address.hostname is not None
    received = b""
    with socket.create_connection((address.hostname, address.port or 0), timeout=20) as client:
        client.sendall(request)
        while piece := client.recv(65_536):
            received += piece
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", received)]


@pytest.mark.parametrize(
    ("request_", "statuses"),
    [
        pytest.param(GET + b"\r\n", [400], id="no host"),
        pytest.param(GET + HOST + HOST + b"\r\n", [400], id="two hosts"),
        pytest.param(GET + b"Host: evil.example\r\nConnection: close\r\n\r\n", [421], id="foreign"),
        pytest.param(POST + b"Content-Length: x\r\n\r\n", [400], id="no length"),
        pytest.param(POST + b"Content-Length: -1\r\n\r\n", [400], id="negative length"),
        pytest.param(
            POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", [400], id="two lengths"
        ),
        pytest.param(
            POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + GET,
            [400],
            id="a request smuggled behind a body",
        ),
        pytest.param(POST + b"Transfer-Encoding: gzip\r\n\r\n", [400], id="another encoding"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", [400], id="garbage for a chunk"
        ),
        pytest.param(GET + HOST + b"Authorization : x\r\n\r\n", [400], id="a space in a name"),
        pytest.param(GET + HOST + b"Authorization: a\0b\r\n\r\n", [400], id="NUL in a value"),
        pytest.param(
            GET + HOST + b"\r\n" + GET + b"Host: evil.example\r\nConnection: close\r\n\r\n",
            [200, 421],
            id="two requests at once, each judged",
        ),
        pytest.param(
            POST + b"Content-Length: 5000000\r\n\r\n" + b"x" * 5_000_000, [413], id="too long"
        ),
        pytest.param(
            POST
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + (b"10000\r\n" + b"x" * 65_536 + b"\r\n") * (2 * MAX_BYTES // 65_536)
            + b"0\r\n\r\n",
            [413],
            id="too many chunks",
        ),
        pytest.param(
            POST + b"Authorization: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
            [401],
            id="refused before it sent its body",
        ),
    ],
)
def test_a_request_is_answered_and_the_connection_closed(
    served: Served, request_: bytes, statuses: list[int]
) -> None:
    assert _said(served, request_) == statuses


def test_half_a_body_is_waited_for_no_longer_than_configured() -> None:
    half = POST + b"Content-Length: 9\r\n\r\n{"
    with serving(COS_BODY_TIMEOUT="0.1") as served:
        said = [_said(served, half), _said(served, half.replace(b"modules", b"nowhere"))]

    assert said == [[408], [404]]


def test_nobody_who_goes_away_leaves_a_fault_behind() -> None:
    with serving() as served:
        address = urlsplit(served.url)
        for path in (b"/login", b"/cc/modules", b"/nowhere"):
            with socket.create_connection((address.hostname, address.port or 0)) as client:
                client.sendall(POST.replace(b"/cc/modules", path) + b"Content-Length: 9\r\n\r\n{")
        status = served.ask("GET", "/cc/health/live")[0]
        served.stop()

    assert status == 200
    assert "Traceback" not in served.log
    assert "ERROR" not in served.log
