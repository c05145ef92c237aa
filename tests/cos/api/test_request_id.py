import logging
import uuid

import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from cos.api.request_id import RequestIdFilter, RequestIdMiddleware, current_request_id
from tests.cos.asgi import client_of

EVERY_KIND_OF_ANSWER = [
    ("GET", "/cc/health/live", 200),
    ("GET", "/cc/modules", 200),
    ("GET", "/cc/openapi.json", 200),
    ("POST", "/cc/modules", 422),
    ("GET", "/cc/modules/not-a-uuid", 422),
    ("GET", f"/cc/modules/{uuid.UUID(int=1)}", 404),
    ("GET", "/nowhere", 404),
    ("GET", "/cc/modules/", 404),
    ("PUT", "/cc/modules", 405),
    ("GET", "/cc/broken", 500),
]


@pytest.fixture
def broken_app(app: FastAPI) -> FastAPI:
    async def broken() -> None:
        raise RuntimeError

    app.add_api_route("/cc/broken", broken)
    return app


@pytest.mark.parametrize(("method", "path", "status"), EVERY_KIND_OF_ANSWER)
async def test_every_answer_carries_the_id_of_its_request(
    broken_app: FastAPI, method: str, path: str, status: int
) -> None:
    async with client_of(broken_app, raise_app_exceptions=False) as client:
        answer = await client.request(method, path, headers={"X-Request-ID": "mine-1"})

    assert (answer.status_code, answer.headers.get_list("x-request-id")) == (status, ["mine-1"])


async def test_a_request_without_an_id_gets_one_of_its_own(client: AsyncClient) -> None:
    ids = {(await client.get("/cc/health/live")).headers["x-request-id"] for _ in range(3)}

    assert len(ids) == 3
    assert {uuid.UUID(hex=found).hex for found in ids} == ids


@pytest.mark.parametrize("valid", ["a", "A-b_c.9", "x" * 128, str(uuid.UUID(int=7))])
async def test_a_valid_id_is_kept(client: AsyncClient, valid: str) -> None:
    answer = await client.get("/cc/health/live", headers={"X-Request-ID": valid})

    assert answer.headers["x-request-id"] == valid


@pytest.mark.parametrize(
    "malformed", ["", " ", "a b", "x" * 129, "a\tb", "a,b", "<script>", "a\x7f", "é", "a=1"]
)
async def test_a_malformed_id_is_replaced(client: AsyncClient, malformed: str) -> None:
    headers = [(b"X-Request-ID", malformed.encode("latin-1"))]
    found = (await client.get("/cc/health/live", headers=headers)).headers["x-request-id"]

    assert uuid.UUID(hex=found).hex == found


async def test_a_problem_document_holds_the_id(client: AsyncClient) -> None:
    answer = await client.get("/nowhere", headers={"X-Request-ID": "mine-2"})

    assert answer.json()["request_id"] == "mine-2"


async def test_a_log_line_of_a_request_holds_its_id(app: FastAPI) -> None:
    records: list[logging.LogRecord] = []

    async def speak() -> None:
        record = logging.makeLogRecord({"msg": "spoken"})
        RequestIdFilter().filter(record)
        records.append(record)

    app.add_api_route("/cc/speak", speak)
    async with client_of(app) as client:
        await client.get("/cc/speak", headers={"X-Request-ID": "mine-3"})

    assert [vars(record)["request_id"] for record in records] == ["mine-3"]


async def test_what_is_no_request_passes_unchanged() -> None:
    seen: list[object] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        seen.append((scope, receive, send))

    async def silence(*_: object) -> dict[str, object]:
        return {}

    scope = {"type": "lifespan"}
    await RequestIdMiddleware(inner)(scope, silence, silence)  # type: ignore[arg-type]

    assert seen == [(scope, silence, silence)]


def test_there_is_no_id_outside_of_a_request() -> None:
    assert current_request_id() == "-"
