import uuid

import pytest
from fastapi import FastAPI, Response
from httpx import AsyncClient
from pydantic import SecretStr

from cos.api.safe_headers import HEADERS, PAGE_POLICY
from cos.app import create_app
from cos.settings import Settings
from tests.cos.asgi import client_of

EVERY_KIND_OF_ANSWER = [
    ("GET", "/cc/health/live", {}, 200),
    ("GET", "/cc/modules", {}, 200),
    ("GET", "/cc/openapi.json", {}, 200),
    ("DELETE", "/cc/gone", {}, 204),
    ("POST", "/cc/modules", {}, 422),
    ("GET", f"/cc/modules/{uuid.UUID(int=1)}", {}, 404),
    ("GET", "/nowhere", {}, 404),
    ("PUT", "/cc/modules", {}, 405),
    ("GET", "/cc/modules", {"Host": "evil.example"}, 421),
    ("GET", "/cc/modules", {"Host": ""}, 400),
    ("POST", "/cc/modules", {"Origin": "null"}, 403),
    ("GET", "/cc/modules", {"Authorization": "x"}, 401),
    ("POST", "/cc/modules", {"Content-Length": "9000000"}, 413),
    ("GET", "/cc/broken", {}, 500),
]


@pytest.fixture
def broken_app(app: FastAPI) -> FastAPI:
    async def broken() -> None:
        raise RuntimeError

    async def gone() -> Response:
        return Response(status_code=204)

    app.add_api_route("/cc/broken", broken)
    app.add_api_route("/cc/gone", gone, methods=["DELETE"])
    return app


@pytest.mark.parametrize(("method", "path", "headers", "status"), EVERY_KIND_OF_ANSWER)
async def test_every_answer_has_each_of_them_once(
    broken_app: FastAPI, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    async with client_of(broken_app, raise_app_exceptions=False) as client:
        answer = await client.request(method, path, headers=headers)

    assert answer.status_code == status
    assert {name: answer.headers.get_list(name) for name in HEADERS} == {
        name: [value] for name, value in HEADERS.items()
    }
    assert "strict-transport-security" not in answer.headers
    assert "server" not in answer.headers


async def test_a_refusal_of_credentials_has_them_too(settings: Settings) -> None:
    guarded = settings.model_copy(update={"api_token": SecretStr("s3cret-token")})
    async with client_of(create_app(guarded)) as client:
        answer = await client.get("/cc/modules")

    assert (answer.status_code, answer.headers["cache-control"]) == (401, "no-store")


async def test_a_page_sets_a_richer_policy_of_its_own(app: FastAPI) -> None:
    async def page() -> Response:
        headers = {"Content-Security-Policy": PAGE_POLICY, "Cache-Control": "max-age=60"}
        return Response("<!doctype html>", headers=headers, media_type="text/html")

    app.add_api_route("/page", page)
    async with client_of(app) as client:
        answer = await client.get("/page")

    assert answer.headers.get_list("content-security-policy") == [PAGE_POLICY]
    assert answer.headers.get_list("cache-control") == ["max-age=60"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_over_https_browsers_are_told_to_stay_there(app: FastAPI) -> None:
    async with client_of(app, base_url="https://127.0.0.1") as client:
        answer = await client.get("/cc/health/live")

    assert answer.headers["strict-transport-security"] == "max-age=31536000"


async def test_a_page_of_this_service_still_says_its_origin(client: AsyncClient) -> None:
    # Under no-referrer a browser sends `Origin: null` with a form, and that is refused.
    answer = await client.get("/cc/health/live")

    assert answer.headers["referrer-policy"] != "no-referrer"
