import asyncio
from http.cookies import SimpleCookie
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from pydantic import SecretStr
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from cos.api.access.gate import FAILED_LOGINS
from cos.api.access.presented import COOKIE, SECURE_COOKIE
from cos.app import create_app
from cos.models import BoardSession
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.factories import ApiTokenFactory, ModuleFactory, text_of

OWN = {"Origin": "http://127.0.0.1"}
TOKEN = "s3cret-token"


def _cookies(answer: Response) -> SimpleCookie:
    return SimpleCookie(answer.headers["set-cookie"])


async def _log_in(client: AsyncClient, token: str) -> Response:
    return await client.post("/login", json={"token": token}, headers=OWN)


@pytest.mark.parametrize("form", ["json", "data"])
async def test_a_login_answers_with_a_cookie_that_only_this_site_sends(
    client: AsyncClient, form: str
) -> None:
    token = ApiTokenFactory.create()
    body: dict[str, Any] = {form: {"token": text_of(token)}}
    answer = await client.post("/login", headers=OWN, **body)
    cookie = _cookies(answer)[COOKIE]

    assert answer.status_code == 200
    assert answer.json()["name"] == token.name
    assert answer.json()["scopes"] == ["read", "write"]
    assert (cookie["path"], cookie["samesite"].lower()) == ("/", "strict")
    assert (bool(cookie["httponly"]), cookie["max-age"]) == (True, "43200")
    assert (cookie["secure"], cookie["domain"]) == ("", "")
    assert text_of(token) not in answer.headers["set-cookie"] + answer.text
    assert cookie.value not in answer.text


async def test_over_https_the_cookie_is_for_https_only(app: FastAPI) -> None:
    token = ApiTokenFactory.create()
    async with client_of(app, base_url="https://127.0.0.1") as client:
        answer = await client.post("/login", json={"token": text_of(token)})
        access = await client.get("/cc/access")
    cookie = _cookies(answer)[SECURE_COOKIE]

    assert bool(cookie["secure"])
    assert access.json()["name"] == token.name


async def test_the_cookie_opens_what_its_token_does(client: AsyncClient) -> None:
    await _log_in(client, text_of(ApiTokenFactory.create(read_only=True)))
    read = await client.get("/cc/modules")
    written = await client.post("/cc/modules", json=ModuleFactory.payload(), headers=OWN)

    assert (read.status_code, written.status_code) == (200, 403)
    assert "insufficient_scope" in written.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        (OWN, 201),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "http://127.0.0.1:8001"}, 403),
    ],
)
async def test_the_cookie_changes_something_only_for_pages_of_this_service(
    client: AsyncClient, headers: dict[str, str], status: int
) -> None:
    await _log_in(client, text_of(ApiTokenFactory.create()))
    answer = await client.post("/cc/modules", json=ModuleFactory.payload(), headers=headers)

    assert answer.status_code == status


async def test_a_token_beside_the_cookie_needs_no_origin(client: AsyncClient) -> None:
    token = text_of(ApiTokenFactory.create())
    await _log_in(client, token)
    headers = {"Authorization": f"Bearer {token}"}
    answer = await client.post("/cc/modules", json=ModuleFactory.payload(), headers=headers)

    assert answer.status_code == 201


async def test_a_wrong_token_beside_a_good_cookie_is_refused(client: AsyncClient) -> None:
    await _log_in(client, text_of(ApiTokenFactory.create()))
    answer = await client.get("/cc/modules", headers={"Authorization": "Bearer wrong"})

    assert answer.status_code == 401


async def test_the_token_of_the_environment_logs_in(settings: Settings) -> None:
    guarded = settings.model_copy(update={"api_token": SecretStr(TOKEN)})
    async with client_of(create_app(guarded)) as client:
        await _log_in(client, TOKEN)
        access = await client.get("/cc/access")
        cookies = dict(client.cookies)
    changed = settings.model_copy(update={"api_token": SecretStr("another")})
    async with client_of(create_app(changed)) as client:
        client.cookies.update(cookies)
        after = await client.get("/cc/access")

    assert access.json()["name"] == "COS_API_TOKEN"
    assert after.status_code == 401


async def test_a_logout_ends_the_session_here_too(client: AsyncClient, db_session: Session) -> None:
    await _log_in(client, text_of(ApiTokenFactory.create()))
    kept = dict(client.cookies)
    answer = await client.post("/logout", headers=OWN)
    left = dict(client.cookies)
    after = await client.get("/cc/modules", headers={"Cookie": f"{COOKIE}={kept[COOKIE]}"})

    assert (answer.status_code, left, after.status_code) == (204, {}, 401)
    assert "log in again" in after.json()["detail"]
    assert db_session.scalar(select(func.count()).select_from(BoardSession)) == 0


async def test_a_logout_without_a_session_has_nothing_to_do(client: AsyncClient) -> None:
    cookies = [None, f"{COOKIE}=nonsense", f"{COOKIE}=cosboard_{'0' * 32}_{'x' * 43}"]
    statuses = [
        (await client.post("/logout", headers={**OWN, **({"Cookie": each} if each else {})}))
        for each in cookies
    ]

    assert [answer.status_code for answer in statuses] == [204] * 3


async def test_a_page_of_somebody_else_ends_no_session(client: AsyncClient) -> None:
    await _log_in(client, text_of(ApiTokenFactory.create()))
    answers = [
        await client.post("/logout"),
        await client.post("/logout", headers={"Origin": "https://evil.example"}),
    ]
    after = await client.get("/cc/modules")

    assert [answer.status_code for answer in answers] == [403, 403]
    assert after.status_code == 200


async def test_a_page_of_somebody_else_logs_nobody_in(client: AsyncClient) -> None:
    body = {"token": text_of(ApiTokenFactory.create())}
    answer = await client.post("/login", data=body, headers={"Origin": "https://evil.example"})

    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("traits", [{"expired": True}, {"revoked": True}, {}])
async def test_a_token_that_opens_nothing_logs_nobody_in(
    client: AsyncClient, traits: dict[str, bool]
) -> None:
    token = text_of(ApiTokenFactory.create(**traits))
    answer = await _log_in(client, token if traits else token[:-1] + "x")

    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert token not in answer.text


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"", 422),
        ("application/json", b"{", 422),
        ("application/json", b"[]", 422),
        ("application/json", b"null", 422),
        ("application/json", b"{}", 422),
        ("application/json", b'{"token": 3}', 422),
        ("application/json", b'{"token": ""}', 422),
        ("application/json", b'{"token": " "}', 422),
        ("application/json", b"\xff", 422),
        ("application/json", b"[" * 100_000, 422),
        ("application/json; charset=utf-8", b'{"token": "\\ud800"}', 401),
        ("application/x-www-form-urlencoded", b"", 422),
        ("application/x-www-form-urlencoded", b"token=a&token=b", 422),
        ("application/x-www-form-urlencoded", b"&".join([b"a=1"] * 20), 422),
        ("application/x-www-form-urlencoded", b"token=%ff", 401),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("text/plain", b'{"token": "hunter2"}', 415),
        ("", b"token=hunter2", 415),
    ],
)
async def test_what_is_no_login_is_told_what_one_is(
    client: AsyncClient, kind: str, body: bytes, status: int
) -> None:
    answer = await client.post("/login", content=body, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert "hunter2" not in answer.text


async def test_logins_that_fail_are_bounded_also_when_they_come_at_once(
    client: AsyncClient,
) -> None:
    token = text_of(ApiTokenFactory.create())
    guesses = [_log_in(client, f"guess-{number}") for number in range(3 * FAILED_LOGINS)]
    answers = await asyncio.gather(*guesses)
    refused = [answer for answer in answers if answer.status_code == 429]
    good = await _log_in(client, token)
    by_header = await client.get("/cc/access", headers={"Authorization": f"Bearer {token}"})

    assert len(refused) == 2 * FAILED_LOGINS
    assert {0 < int(answer.headers["retry-after"]) <= 60 for answer in refused} == {True}
    assert refused[0].json()["type"] == "urn:cos:problem:too-many-logins"
    assert (good.status_code, by_header.status_code) == (429, 200)


async def test_logins_that_succeed_are_not_bounded(client: AsyncClient) -> None:
    token = text_of(ApiTokenFactory.create())
    statuses = [(await _log_in(client, token)).status_code for _ in range(FAILED_LOGINS + 1)]

    assert set(statuses) == {200}


@pytest.mark.slow
async def test_a_login_that_could_not_be_checked_is_a_503_and_no_failure(
    settings: Settings, db_session: Session
) -> None:
    token = text_of(ApiTokenFactory.create())
    impatient = settings.model_copy(update={"lock_timeout": 0.01})
    db_session.execute(text("LOCK TABLE api_tokens"))
    async with client_of(create_app(impatient)) as client:
        answers = [await _log_in(client, token) for _ in range(FAILED_LOGINS + 1)]
        db_session.rollback()
        after = await _log_in(client, token)

    assert {answer.status_code for answer in answers} == {503}
    assert after.status_code == 200


async def test_two_cookies_of_one_name_are_none(client: AsyncClient) -> None:
    ApiTokenFactory.create()
    headers = {"Cookie": f"{COOKIE}=a; {COOKIE}=b"}

    assert (await client.get("/cc/modules", headers=headers)).status_code == 401


async def test_a_token_is_no_cookie_and_a_cookie_is_no_token(client: AsyncClient) -> None:
    token = text_of(ApiTokenFactory.create())
    await _log_in(client, token)
    cookie = client.cookies[COOKIE]
    client.cookies.clear()
    answers = [
        await client.get("/cc/modules", headers={"Cookie": f"{COOKIE}={token}"}),
        await client.get("/cc/modules", headers={"Authorization": f"Bearer {cookie}"}),
        await _log_in(client, cookie),
    ]

    assert [answer.status_code for answer in answers] == [401] * 3


async def test_an_old_cookie_is_no_hindrance_where_no_token_is_needed(
    client: AsyncClient,
) -> None:
    headers = {"Cookie": f"{COOKIE}=cosboard_{'0' * 32}_{'x' * 43}"}

    assert (await client.get("/cc/modules", headers=headers)).status_code == 200
