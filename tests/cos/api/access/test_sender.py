import pytest
from fastapi import FastAPI
from httpx import AsyncClient

from cos.app import create_app
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.factories import ModuleFactory

PATHS = ["/cc/modules", "/cc/health/live", "/cc/health/ready", "/login", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
async def test_a_name_that_somebody_else_made_mean_this_machine_is_refused(
    client: AsyncClient, path: str
) -> None:
    answer = await client.get(path, headers={"Host": "rebound.example:8000"})

    assert (answer.status_code, answer.json()["type"]) == (421, "urn:cos:problem:unknown-host")
    assert "COS_ALLOWED_HOSTS" in answer.json()["detail"]
    assert "rebound.example" in answer.json()["detail"]
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("host", ["", "localhost, x", "a b", "\xe9\xff", "x@localhost"])
async def test_what_is_no_host_is_the_error_of_the_client(
    client: AsyncClient, path: str, host: str
) -> None:
    answer = await client.get(path, headers=[(b"Host", host.encode("latin-1"))])

    assert (answer.status_code, answer.json()["type"]) == (400, "urn:cos:problem:malformed-host")


async def test_two_hosts_are_refused(client: AsyncClient) -> None:
    answer = await client.get("/cc/health/live", headers=[("Host", "localhost"), ("host", "x")])

    assert answer.status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST:1"])
async def test_the_names_of_this_machine_are_answered_on_any_port(
    client: AsyncClient, host: str
) -> None:
    answer = await client.get("/cc/health/live", headers={"Host": host})

    assert answer.status_code == 200


async def test_the_configured_names_are_answered(settings: Settings) -> None:
    named = settings.model_copy(update={"allowed_hosts": ("COS.example", "[2001:DB8::7]")})
    async with client_of(create_app(named)) as client:
        statuses = [
            (await client.get("/cc/health/live", headers={"Host": host})).status_code
            for host in ("cos.example", "cos.EXAMPLE:8000", "[2001:db8:0::7]", "other.example")
        ]

    assert statuses == [200, 200, 200, 421]


async def test_the_address_of_the_connection_is_answered(app: FastAPI) -> None:
    async with client_of(app, base_url="http://192.0.2.7:8000") as client:
        statuses = [
            (await client.get("/cc/health/live", headers={"Host": host})).status_code
            for host in ("192.0.2.7:8000", "192.0.2.7", "localhost", "192.0.2.8")
        ]

    assert statuses == [200, 200, 200, 421]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "é"])
async def test_a_page_of_somebody_else_changes_nothing(client: AsyncClient, origin: str) -> None:
    headers = [(b"Origin", origin.encode("latin-1"))]
    body = ModuleFactory.payload()
    answer = await client.post("/cc/modules", json=body, headers=headers)
    listed = await client.get("/cc/modules", headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (403, "urn:cos:problem:foreign-origin")
    assert "COS_ALLOWED_ORIGINS" in answer.json()["detail"]
    assert (listed.status_code, listed.json()["items"]) == (200, [])


async def test_a_page_of_its_own_and_a_configured_one_may_change_something(
    settings: Settings,
) -> None:
    shared = settings.model_copy(update={"allowed_origins": ("https://board.example",)})
    async with client_of(create_app(shared)) as client:
        statuses = [
            (
                await client.post(
                    "/cc/modules", json=ModuleFactory.payload(), headers={"Origin": origin}
                )
            ).status_code
            for origin in ("http://127.0.0.1", "https://board.example", "http://board.example")
        ]

    assert statuses == [201, 201, 403]


async def test_no_page_of_somebody_else_may_read_an_answer(client: AsyncClient) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answers = [
        await client.request(method, "/cc/modules", headers=headers)
        for method in ("OPTIONS", "GET", "POST")
    ]
    sent = [name for answer in answers for name in answer.headers if name.startswith("access-")]

    assert [answer.status_code for answer in answers] == [405, 200, 403]
    assert sent == []
