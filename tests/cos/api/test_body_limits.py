import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from fastapi import FastAPI, Request
from httpx import AsyncClient
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from cos.api.body_limits import MAX_BYTES, BodyLimitMiddleware
from cos.app import create_app
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.factories import ModuleFactory

CHUNKED = (b"transfer-encoding", b"chunked")
WAITING = (b"expect", b"100-Continue")


async def _chunks(*parts: bytes, then_silence: bool = False) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if then_silence:
        await asyncio.Event().wait()


async def _answer(_scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that answers and does not read."""
    await Response("done")(_scope, _receive, send)


async def _asked(
    *headers: tuple[bytes, bytes], parts: Iterable[bytes] = (), ends: str = "whole"
) -> tuple[dict[str, str], int]:
    """Return the headers of `_answer`, and how many messages were read before it was sent.

    A body ``ends`` whole, in silence, or because its sender is gone.
    """
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": True} for part in parts
    ]
    if ends == "whole":
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    elif ends == "gone":
        messages.append({"type": "http.disconnect"})
    total = len(messages)
    started: dict[str, Any] = {}

    async def receive() -> Message:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.update({name.decode(): value.decode() for name, value in message["headers"]})
            started["read"] = total - len(messages)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers)}
    await BodyLimitMiddleware(_answer, seconds=0.02)(scope, receive, send)
    return started, started.pop("read")


@pytest.fixture
def echoing(app: FastAPI) -> FastAPI:
    """An application with a route that reads its body as it is."""

    async def echo(request: Request) -> int:
        return len(await request.body())

    app.add_api_route("/cc/echo", echo, methods=["POST"])
    return app


@pytest.mark.parametrize("path", ["/cc/modules", "/cc/echo", "/login", "/nowhere"])
async def test_a_declared_length_beyond_the_limit_is_refused_on_every_route(
    echoing: FastAPI, path: str
) -> None:
    async with client_of(echoing) as client:
        answer = await client.post(path, headers={"Content-Length": str(MAX_BYTES + 1)})

    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    assert answer.headers["connection"] == "close"


async def test_a_declared_length_beyond_the_limit_is_refused_before_a_byte_is_read() -> None:
    headers, read = await _asked((b"content-length", b"1000001"), ends="silence")

    assert (headers["content-type"], read) == ("application/problem+json", 0)


@pytest.mark.parametrize("declared", ["1000001", "0001000001", "2" * 7, "9" * 5000])
async def test_a_declared_length_may_be_any_number(client: AsyncClient, declared: str) -> None:
    answer = await client.post("/cc/modules", headers={"Content-Length": declared})

    assert answer.status_code == 413


async def test_two_ways_to_tell_the_length_are_refused(client: AsyncClient) -> None:
    headers = {"Content-Length": "2", "Transfer-Encoding": "chunked"}
    answer = await client.post("/cc/modules", content=_chunks(b"{}"), headers=headers)

    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert answer.headers["connection"] == "close"


async def test_more_than_the_limit_without_a_declared_length_is_refused(
    echoing: FastAPI,
) -> None:
    async with client_of(echoing) as client:
        answer = await client.post("/cc/echo", content=_chunks(b"x" * MAX_BYTES, b"x"))

    assert (answer.status_code, answer.json()["status"]) == (413, 413)
    assert answer.headers["connection"] == "close"


async def test_a_body_as_long_as_the_limit_is_read(echoing: FastAPI) -> None:
    async with client_of(echoing) as client:
        answers = [
            await client.post("/cc/echo", content=content)
            for content in (b"x" * MAX_BYTES, _chunks(b"x" * (MAX_BYTES - 1), b"x"), b"")
        ]

    assert [answer.json() for answer in answers] == [MAX_BYTES, MAX_BYTES, 0]
    assert not [answer for answer in answers if "connection" in answer.headers]


@pytest.mark.parametrize("path", ["/cc/modules", "/login"])
async def test_a_body_that_takes_too_long_is_a_408(settings: Settings, path: str) -> None:
    impatient = settings.model_copy(update={"body_timeout": 0.05})
    async with client_of(create_app(impatient)) as client:
        answer = await client.post(
            path,
            content=_chunks(b'{"name":', then_silence=True),
            headers={"Content-Type": "application/json"},
        )

    assert (answer.status_code, answer.json()["status"]) == (408, 408)
    assert "COS_BODY_TIMEOUT" in answer.json()["detail"]
    assert answer.headers["connection"] == "close"


async def test_a_body_that_arrives_in_pieces_is_read(client: AsyncClient) -> None:
    name = ModuleFactory.payload()["name"].encode()
    answer = await client.post(
        "/cc/modules",
        content=_chunks(b'{"name":"', name, b'","ver', b'sion":"1"}'),
        headers={"Content-Type": "application/json"},
    )

    assert answer.status_code == 201


async def test_what_nobody_asked_for_is_read_before_the_answer() -> None:
    headers, read = await _asked(CHUNKED, parts=[b"a", b"b"])

    assert (headers.get("connection"), read) == (None, 3)


@pytest.mark.parametrize(
    ("parts", "ends", "read"),
    [
        ([b"a"], "silence", 1),
        ([b"x" * MAX_BYTES, b"x", b"x"], "whole", 2),
    ],
)
async def test_what_nobody_asked_for_and_does_not_end_closes_the_connection(
    parts: list[bytes], ends: str, read: int
) -> None:
    assert await _asked(CHUNKED, parts=parts, ends=ends) == (
        {"content-length": "4", "connection": "close"},
        read,
    )


async def test_a_client_that_is_gone_is_not_waited_for() -> None:
    headers, read = await _asked((b"content-length", b"9"), parts=[b"a"], ends="gone")

    assert (headers.get("connection"), read) == (None, 2)


async def test_a_client_that_waits_for_leave_to_send_is_not_made_to() -> None:
    headers, read = await _asked((b"content-length", b"9"), WAITING, parts=[b"123456789"])

    assert (headers["connection"], read) == ("close", 0)


@pytest.mark.parametrize("declared", [[], [(b"content-length", b"0")]])
async def test_without_a_body_nothing_is_read(declared: list[tuple[bytes, bytes]]) -> None:
    headers, read = await _asked(*declared, ends="silence")

    assert (headers, read) == ({"content-length": "4"}, 0)


async def test_a_client_that_goes_away_while_it_sends_is_no_fault_of_ours(
    echoing: FastAPI,
) -> None:
    statuses = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/cc/echo",
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), CHUNKED],
    }

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        statuses.append(message.get("status"))

    async with client_of(echoing):
        await echoing(scope, receive, send)

    assert statuses == [400, None]
