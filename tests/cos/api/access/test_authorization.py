import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.types import Message

from cos.app import create_app
from cos.models import ApiToken
from cos.services.access.holder import NOBODY
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.factories import ApiTokenFactory, ModuleFactory, text_of

TOKEN = "s3cret-token"
UNKNOWN_MODULE = "/cc/modules/00000000-0000-0000-0000-000000000001"
UNKNOWN_LETTER = "/cc/dead-letters/1"
READING = [
    ("GET", "/cc/modules", 200),
    ("GET", UNKNOWN_MODULE, 404),
    ("GET", f"{UNKNOWN_MODULE}/health", 404),
    ("GET", "/cc/system/health", 200),
    ("GET", "/cc/config", 200),
    ("GET", "/cc/access", 200),
    ("GET", "/cc/openapi.json", 200),
    ("GET", "/cc/health", 404),
    ("GET", "/cc/nowhere", 404),
    ("GET", f"{UNKNOWN_MODULE}/health/history", 404),
    ("GET", "/cc/events", 200),
    ("GET", "/cc/dead-letters", 200),
    ("GET", UNKNOWN_LETTER, 404),
    ("GET", "/", 200),
    ("GET", "/board/summary", 200),
    ("HEAD", "/cc/modules", 405),
]
WRITING = [
    ("POST", "/cc/modules", 422),
    ("PATCH", UNKNOWN_MODULE, 422),
    ("DELETE", UNKNOWN_MODULE, 404),
    ("POST", f"{UNKNOWN_MODULE}/heartbeat", 404),
    ("DELETE", UNKNOWN_LETTER, 404),
    ("POST", f"{UNKNOWN_LETTER}/replay", 404),
    ("PUT", "/cc/modules", 405),
    ("OPTIONS", "/cc/modules", 405),
    ("BREW", "/cc/modules", 405),
    ("POST", "/nowhere", 404),
]


def _bearer(token: ApiToken) -> dict[str, str]:
    return {"Authorization": f"Bearer {text_of(token)}"}


@pytest.fixture
async def guarded(settings: Settings) -> AsyncIterator[AsyncClient]:
    """A client of an application with COS_API_TOKEN."""
    app = create_app(settings.model_copy(update={"api_token": SecretStr(TOKEN)}))
    async with client_of(app) as client:
        yield client


def test_every_operation_is_asked_for_below(app: FastAPI) -> None:
    asked = {
        (
            method.lower(),
            path.replace(UNKNOWN_MODULE, "/cc/modules/{module_id}").replace(
                UNKNOWN_LETTER, "/cc/dead-letters/{letter_id}"
            ),
        )
        for method, path, _ in READING + WRITING
    }
    operations = {
        (method, path)
        for path, methods in app.openapi()["paths"].items()
        for method in methods
        if not path.startswith(("/cc/health/", "/log"))
    }

    assert operations <= asked


@pytest.mark.parametrize(("method", "path", "_status"), READING + WRITING)
async def test_everything_is_closed_without_a_token(
    guarded: AsyncClient, method: str, path: str, _status: int
) -> None:
    answer = await guarded.request(method, path)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="cos"'
    assert answer.headers["cache-control"] == "no-store"
    if method != "HEAD":
        assert "python -m cos token create" in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path", "status"), READING + WRITING)
async def test_the_token_of_the_environment_opens_everything(
    guarded: AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await guarded.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})

    assert answer.status_code == status


@pytest.mark.parametrize(("method", "path", "status"), READING + WRITING)
async def test_a_token_with_both_scopes_opens_everything(
    client: AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, headers=_bearer(ApiTokenFactory.create()))

    assert answer.status_code == status


@pytest.mark.parametrize(("method", "path", "status"), READING + WRITING)
async def test_a_session_of_the_board_opens_everything_to_pages_of_this_service(
    client: AsyncClient, method: str, path: str, status: int
) -> None:
    await client.post("/login", json={"token": text_of(ApiTokenFactory.create())})
    page = {"Origin": "http://127.0.0.1"}
    answer = await client.request(method, path, headers=page)
    await client.post("/logout", headers=page)
    after = await client.request(method, path, headers=page)

    assert (answer.status_code, after.status_code) == (status, 401)


@pytest.mark.parametrize("scope", ["read", "write"])
@pytest.mark.parametrize(("method", "path", "status"), READING + WRITING)
async def test_a_token_with_one_scope_opens_what_needs_it(
    client: AsyncClient, scope: str, method: str, path: str, status: int
) -> None:
    token = ApiTokenFactory.create(scopes=[scope])
    answer = await client.request(method, path, headers=_bearer(token))
    needed = "read" if method in {"GET", "HEAD"} else "write"

    if scope == needed:
        assert answer.status_code == status
    else:
        assert answer.status_code == 403
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert f'scope="{needed}"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/cc/health/live", "/cc/health/ready"])
@pytest.mark.parametrize("credentials", [None, "Bearer wrong", "nonsense"])
async def test_the_health_of_the_process_is_open(
    guarded: AsyncClient, path: str, credentials: str | None
) -> None:
    headers = {} if credentials is None else {"Authorization": credentials}
    answer = await guarded.get(path, headers=headers)

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "credentials", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer  {TOKEN}"]
)
async def test_the_word_bearer_may_be_written_as_one_likes(
    guarded: AsyncClient, credentials: str
) -> None:
    answer = await guarded.get("/cc/modules", headers={"Authorization": credentials})

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
        f"Bearer {TOKEN}, Bearer {TOKEN}",
        f"Bearer {TOKEN}\xa0",
        "Bearer \xe9\xff",
        "Bearer cos_\xff",
    ],
)
async def test_wrong_credentials_are_refused(guarded: AsyncClient, credentials: str) -> None:
    headers = [(b"aUTHORIZATION", credentials.encode("latin-1"))]
    answer = await guarded.get("/cc/modules", headers=headers)

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert TOKEN not in answer.text


@pytest.mark.parametrize("second", ["Bearer other", f"Bearer {TOKEN}", ""])
async def test_two_headers_at_once_are_refused(guarded: AsyncClient, second: str) -> None:
    headers = [("Authorization", f"Bearer {TOKEN}"), ("authorization", second)]
    answers = [
        await guarded.get("/cc/modules", headers=given) for given in (headers, headers[::-1])
    ]

    assert [answer.status_code for answer in answers] == [401, 401]


@pytest.mark.parametrize(
    ("traits", "reason"),
    [({"expired": True}, "has expired"), ({"revoked": True}, "was revoked")],
)
async def test_a_token_that_is_over_says_so(
    client: AsyncClient, traits: dict[str, bool], reason: str
) -> None:
    token = ApiTokenFactory.create(**traits)
    answer = await client.get("/cc/modules", headers=_bearer(token))

    assert answer.status_code == 401
    assert answer.json()["detail"].startswith(f"The token {reason}.")


async def test_a_token_in_the_query_or_the_body_is_none(client: AsyncClient) -> None:
    token = text_of(ApiTokenFactory.create())
    answers = [
        await client.get("/cc/modules", params={"access_token": token}),
        await client.post("/cc/modules", data={"access_token": token}),
        await client.get("/cc/modules", headers={"X-Api-Key": token}),
        await client.get("/cc/modules", headers={"Proxy-Authorization": f"Bearer {token}"}),
    ]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert not [answer for answer in answers if token in answer.text]


async def test_before_the_first_token_this_machine_needs_none(client: AsyncClient) -> None:
    made = await client.post("/cc/modules", json=ModuleFactory.payload())
    access = await client.get("/cc/access")
    config = await client.get("/cc/config")

    assert made.status_code == 201
    assert (access.json()["name"], access.json()["scopes"]) == (NOBODY.name, ["read", "write"])
    assert config.json()["authorization"] == "none"


async def test_a_wrong_token_is_refused_even_where_none_is_needed(client: AsyncClient) -> None:
    answer = await client.get("/cc/modules", headers={"Authorization": "Bearer wrong"})

    assert answer.status_code == 401


@pytest.mark.parametrize("traits", [{}, {"revoked": True}, {"expired": True}])
async def test_from_the_first_token_on_everybody_needs_one(
    client: AsyncClient, traits: dict[str, bool]
) -> None:
    before = await client.get("/cc/modules")
    ApiTokenFactory.create(**traits)
    after = await client.get("/cc/modules")

    assert (before.status_code, after.status_code) == (200, 401)


async def test_what_was_closed_is_not_opened_by_a_table_that_lost_its_rows(
    client: AsyncClient, db_session: Session
) -> None:
    ApiTokenFactory.create()
    before = await client.get("/cc/modules")
    db_session.execute(text("DELETE FROM api_tokens"))
    db_session.commit()
    after = await client.get("/cc/modules")

    assert (before.status_code, after.status_code) == (401, 401)


@pytest.mark.parametrize(
    ("base_url", "peer", "host", "status"),
    [
        ("http://127.0.0.1", "127.0.0.1", "127.0.0.1", 200),
        ("http://[::1]", "::1", "[::1]", 200),
        ("http://192.0.2.7", "127.0.0.1", "192.0.2.7", 401),
        ("http://192.0.2.7", "192.0.2.9", "localhost", 401),
        ("http://127.0.0.1", "192.0.2.9", "localhost", 401),
        ("http://127.0.0.1", "127.0.0.1", "proxied.example", 401),
    ],
)
async def test_only_this_machine_under_its_own_name_ever_needs_no_token(
    settings: Settings, base_url: str, peer: str, host: str, status: int
) -> None:
    app = create_app(settings.model_copy(update={"allowed_hosts": ("proxied.example",)}))
    async with client_of(app, base_url=base_url, peer=peer) as client:
        answer = await client.get("/cc/modules", headers={"Host": host})

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("peer", "host", "status"),
    [
        ("127.0.0.1", "localhost:8000", 200),
        ("::1", "127.0.0.1", 200),
        ("192.0.2.9", "localhost", 401),
        # A proxy on this machine, which everybody may ask.
        ("127.0.0.1", "proxied.example", 401),
    ],
)
async def test_the_metrics_are_open_to_this_machine_under_its_own_name(
    settings: Settings, peer: str, host: str, status: int
) -> None:
    changes = {"api_token": SecretStr(TOKEN), "allowed_hosts": ("proxied.example",)}
    app = create_app(settings.model_copy(update=changes))
    async with client_of(app, peer=peer) as client:
        answer = await client.get("/metrics", headers={"Host": host})

    assert answer.status_code == status


async def test_a_token_that_is_revoked_opens_nothing_from_then_on(
    client: AsyncClient, db_session: Session
) -> None:
    token = ApiTokenFactory.create()
    before = await client.get("/cc/access", headers=_bearer(token))
    db_session.execute(text("UPDATE api_tokens SET revoked_at = now()"))
    db_session.commit()
    after = await client.get("/cc/access", headers=_bearer(token))

    assert (before.json()["name"], before.status_code) == (token.name, 200)
    assert after.status_code == 401


async def test_many_requests_at_once_with_one_token_are_all_answered(
    client: AsyncClient,
) -> None:
    headers = _bearer(ApiTokenFactory.create())
    answers = await asyncio.gather(*(client.get("/cc/access", headers=headers) for _ in range(30)))

    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize(("method", "path", "_status"), READING + WRITING)
async def test_a_token_that_cannot_be_checked_is_a_503(
    settings: Settings, closed_port: int, method: str, path: str, _status: int
) -> None:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=closed_port)
    down = Settings.model_validate({"database_url": url.render_as_string(hide_password=False)})
    token = text_of(ApiTokenFactory.build())
    async with client_of(create_app(down)) as client:
        answers = [
            await client.request(method, path, headers=headers)
            for headers in ({}, {"Authorization": f"Bearer {token}"})
        ]

    assert [(a.status_code, a.headers["retry-after"]) for a in answers] == [(503, "1")] * 2
    assert not [answer for answer in answers if str(closed_port) in answer.text]


async def test_without_a_database_the_token_of_the_environment_still_opens_what_needs_none(
    settings: Settings, closed_port: int
) -> None:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=closed_port)
    down = Settings.model_validate(
        {"database_url": url.render_as_string(hide_password=False), "api_token": TOKEN}
    )
    async with client_of(create_app(down)) as client:
        statuses = [
            (await client.get(path, headers={"Authorization": f"Bearer {TOKEN}"})).status_code
            for path in ("/cc/config", "/cc/access", "/cc/nowhere", "/cc/modules")
        ]
        unasked = (await client.get("/cc/modules")).status_code

    assert (statuses, unasked) == ([200, 200, 404, 503], 401)


async def test_a_database_that_was_not_migrated_says_what_to_run(
    app: FastAPI, db_session: Session
) -> None:
    db_session.execute(text("ALTER TABLE api_tokens RENAME TO elsewhere"))
    db_session.commit()
    async with client_of(app) as client:
        answer = await client.get("/cc/modules")

    assert (answer.status_code, answer.json()["type"]) == (503, "urn:cos:problem:schema-missing")
    assert "python -m cos migrate" in answer.json()["detail"]


async def test_a_fault_while_a_token_is_checked_is_a_500_with_all_its_headers(
    app: FastAPI, db_session: Session
) -> None:
    db_session.execute(text("ALTER TABLE api_tokens ALTER expires_at TYPE text"))
    db_session.commit()
    token = ApiTokenFactory.build()
    async with client_of(app, raise_app_exceptions=False) as client:
        answer = await client.get("/cc/modules", headers=_bearer(token))

    assert (answer.status_code, answer.json()["status"]) == (500, 500)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


async def test_a_websocket_is_closed_before_it_is_opened(app: FastAPI) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/cc/modules", "headers": [], "scheme": "ws"}
    async with client_of(app):
        await app(scope, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_an_answer_without_an_end_can_ask_whether_it_may_go_on(
    app: FastAPI, db_session: Session
) -> None:
    async def asking(request: Request) -> list[bool]:
        asked = [await request.state.still_allowed()]
        for statement in (
            "ALTER TABLE api_tokens RENAME TO elsewhere",
            "ALTER TABLE elsewhere RENAME TO api_tokens",
            "UPDATE api_tokens SET revoked_at = now()",
        ):
            db_session.execute(text(statement))
            db_session.commit()
            asked.append(await request.state.still_allowed())
        return asked

    app.add_api_route("/cc/asking", asking)
    token = ApiTokenFactory.create()
    async with client_of(app) as client:
        answer = await client.get("/cc/asking", headers=_bearer(token))

    assert answer.json() == [True, True, True, False]
