import pytest
from pydantic import SecretStr

from cos.app import create_app
from cos.settings import Settings
from tests.cos.asgi import client_of

TOKEN = "s3cret-token"
CLOSED = [
    ("GET", "/cc/modules"),
    ("POST", "/cc/modules"),
    ("GET", "/cc/system/health"),
    ("GET", "/cc/config"),
    ("GET", "/cc/openapi.json"),
    ("GET", "/cc/health"),
    ("GET", "/cc/healthy"),
    ("GET", "/cc/nowhere"),
    ("GET", "/"),
    ("PUT", "/cc/modules"),
]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"api_token": SecretStr(TOKEN)})


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_everything_is_closed_without_the_token(
    settings: Settings, method: str, path: str
) -> None:
    async with client_of(create_app(settings)) as client:
        answer = await client.request(method, path)
        document = answer.json()

    assert (answer.status_code, document["status"]) == (401, 401)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="cos"'
    assert answer.headers["x-request-id"] == document["request_id"]
    assert "COS_API_TOKEN" in document["detail"]


@pytest.mark.parametrize("path", ["/cc/health/live", "/cc/health/ready"])
async def test_the_health_of_the_process_is_open(settings: Settings, path: str) -> None:
    async with client_of(create_app(settings)) as client:
        answer = await client.get(path)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "credentials", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer  {TOKEN}"]
)
async def test_the_token_opens_everything(settings: Settings, credentials: str) -> None:
    async with client_of(create_app(settings)) as client:
        answer = await client.get("/cc/modules", headers={"Authorization": credentials})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer x {TOKEN}",
        f"Bearer\t{TOKEN}",
        "Bearer \xe9\xff",
    ],
)
async def test_wrong_credentials_are_refused(settings: Settings, credentials: str) -> None:
    headers = [(b"Authorization", credentials.encode("latin-1"))]
    async with client_of(create_app(settings)) as client:
        answer = await client.get("/cc/modules", headers=headers)

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert TOKEN not in answer.text


async def test_two_tokens_at_once_are_refused(settings: Settings) -> None:
    headers = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer other")]
    async with client_of(create_app(settings)) as client:
        answer = await client.get("/cc/modules", headers=headers)

    assert answer.status_code == 401


async def test_without_a_configured_token_everything_is_open(settings: Settings) -> None:
    async with client_of(create_app(settings.model_copy(update={"api_token": None}))) as client:
        answer = await client.get("/cc/modules")

    assert answer.status_code == 200
