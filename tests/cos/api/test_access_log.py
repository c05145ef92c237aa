import logging

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from cos.api.access_log import ACCESS_FIELDS, AccessLogMiddleware
from tests.cos.asgi import client_of


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What is logged of requests."""
    caplog.set_level(logging.INFO, logger="cos.access")
    return caplog


def _facts(record: logging.LogRecord) -> dict[str, object]:
    return {name: vars(record)[name] for name in ACCESS_FIELDS if name != "duration_ms"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/cc/health/live", 200),
        ("GET", "/nowhere", 404),
        ("POST", "/cc/modules", 422),
        ("BREW", "/cc/modules", 405),
    ],
)
async def test_a_request_is_logged_once_with_its_answer(
    client: AsyncClient, log: pytest.LogCaptureFixture, method: str, path: str, status: int
) -> None:
    await client.request(method, path)
    (record,) = log.records

    assert _facts(record) == {
        "client": "127.0.0.1",
        "method": method,
        "path": path,
        "status": status,
    }
    assert 0 < vars(record)["duration_ms"] < 60_000
    assert record.getMessage().startswith(f"127.0.0.1 {method} {path} {status} ")


async def test_an_unexpected_error_is_logged_as_the_answer_that_was_sent(
    app: FastAPI, log: pytest.LogCaptureFixture
) -> None:
    async def broken() -> None:
        raise RuntimeError

    app.add_api_route("/cc/broken", broken)
    async with client_of(app, raise_app_exceptions=False) as client:
        await client.get("/cc/broken")

    assert [vars(record)["status"] for record in log.records] == [500]


async def test_neither_query_nor_headers_are_logged(
    client: AsyncClient, log: pytest.LogCaptureFixture
) -> None:
    headers = {"Authorization": "Bearer hunter2", "Cookie": "a=hunter2", "Referer": "hunter2"}
    await client.get("/cc/modules?token=hunter2", headers=headers)

    assert "hunter2" not in repr([vars(record) for record in log.records])
    assert "hunter2" not in "".join(record.getMessage() for record in log.records)


async def test_a_path_cannot_forge_a_line(
    client: AsyncClient, log: pytest.LogCaptureFixture
) -> None:
    await client.get("/a%0d%0ab%1b%5b%e2%80%a8")
    (record,) = log.records

    assert vars(record)["path"] == "/a%0D%0Ab%1B%5B%E2%80%A8"
    assert record.getMessage().isprintable()


async def test_an_answer_that_never_began_has_no_status(
    log: pytest.LogCaptureFixture,
) -> None:
    async def gone(*_: object) -> None:
        raise ConnectionError

    async def silence(*_: object) -> dict[str, object]:
        return {}

    scope = {"type": "http", "method": "GET", "path": "/", "client": None}
    with pytest.raises(ConnectionError):
        await AccessLogMiddleware(gone)(scope, silence, silence)  # type: ignore[arg-type]

    assert log.records[0].getMessage().startswith("- GET / - ")


async def test_what_is_no_request_is_not_logged(log: pytest.LogCaptureFixture) -> None:
    seen: list[object] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        seen.append((scope, receive, send))

    async def silence(*_: object) -> dict[str, object]:
        return {}

    scope = {"type": "lifespan"}
    await AccessLogMiddleware(inner)(scope, silence, silence)  # type: ignore[arg-type]

    assert (seen, log.records) == ([(scope, silence, silence)], [])
