import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from cos.api.problems import STATUS_OF
from cos.api.resources import Transactions
from cos.app import create_app
from cos.models import Module
from cos.services import modules
from cos.services.errors import InvalidCursorError, ServiceError
from cos.services.modules import NewModule
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.factories import ModuleFactory

UNKNOWN = uuid.UUID(int=1)


async def _answer_to(app: FastAPI, fault: Callable[..., Awaitable[None]]) -> tuple[int, Any]:
    """Return status and document of a route that does what ``fault`` does."""
    app.add_api_route("/cc/fault", fault)
    async with client_of(app, raise_app_exceptions=False) as client:
        answer = await client.get("/cc/fault")
    return answer.status_code, answer.json()


async def test_a_problem_is_a_whole_document_of_its_media_type(client: AsyncClient) -> None:
    answer = await client.get(f"/cc/modules/{UNKNOWN}", headers={"X-Request-ID": "mine"})

    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:cos:problem:unknown-module",
        "title": "Unknown module",
        "status": 404,
        "detail": f"There is no module {UNKNOWN}. GET /cc/modules lists those there are.",
        "instance": f"/cc/modules/{UNKNOWN}",
        "request_id": "mine",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "title"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("GET", "/cc", 404, "Not Found"),
        ("GET", "/cc/modules/", 404, "Not Found"),
        ("GET", "/docs", 404, "Not Found"),
        ("PUT", "/cc/modules", 405, "Method Not Allowed"),
        ("POST", "/cc/health/live", 405, "Method Not Allowed"),
    ],
)
async def test_what_the_framework_refuses_is_a_problem_document_too(
    client: AsyncClient, method: str, path: str, status: int, title: str
) -> None:
    answer = await client.request(method, path)
    document = answer.json()

    assert (answer.status_code, document["status"]) == (status, status)
    assert (document["type"], document["title"]) == ("about:blank", title)
    assert document["instance"] == path
    assert document["detail"].startswith(f"{method} {path}: ")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/cc/modules", "GET, POST"),
        (f"/cc/modules/{UNKNOWN}", "DELETE, GET, PATCH"),
        (f"/cc/modules/{UNKNOWN}/heartbeat", "POST"),
        ("/cc/system/health", "GET"),
        ("/static/board.css", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_all_the_right_ones(
    client: AsyncClient, path: str, allowed: str
) -> None:
    answer = await client.put(path)

    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


async def test_an_odd_path_is_a_valid_uri_in_the_document(client: AsyncClient) -> None:
    answer = await client.get("/caf%C3%A9%00%22<>")

    assert answer.json()["instance"] == "/caf%C3%A9%00%22%3C%3E"


async def test_a_broken_host_header_is_the_error_of_the_client(client: AsyncClient) -> None:
    answer = await client.get("/nowhere", headers={"Host": "[::"})

    assert answer.status_code == 400


async def test_an_invalid_request_lists_every_fault_with_its_place(client: AsyncClient) -> None:
    answer = await client.post("/cc/modules", json={"name": "", "version": "x" * 51, "size": 1})
    document = answer.json()

    assert document["type"] == "urn:cos:problem:invalid-request"
    assert {(*error["loc"],) for error in document["errors"]} == {
        ("body", "name"),
        ("body", "version"),
        ("body", "size"),
    }
    assert all(error.keys() == {"loc", "msg", "type"} for error in document["errors"])


async def test_an_invalid_request_is_not_repeated_in_the_answer(client: AsyncClient) -> None:
    answer = await client.post("/cc/modules", json={"name": ["hunter2"], "version": "hunter2" * 99})

    assert answer.status_code == 422
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "fault", [ValueError, KeyError, TypeError, AssertionError, LookupError, RuntimeError, OSError]
)
async def test_a_fault_of_the_application_is_a_500_and_nothing_else(
    app: FastAPI, fault: type[Exception]
) -> None:
    async def route() -> None:
        raise fault("the password is hunter2")

    status, document = await _answer_to(app, route)

    assert (status, document["status"], document["title"]) == (500, 500, "Internal Server Error")
    assert "hunter2" not in json.dumps(document)


async def test_a_service_that_raises_a_value_error_is_a_500_and_stores_nothing(
    app: FastAPI, db_session: Session
) -> None:
    async def route(transactions: Transactions) -> None:
        async with transactions.begin() as session:
            await modules.register(session, NewModule(**ModuleFactory.payload()))
            # Modules have a constructor that refuses text where a dictionary belongs.
            await modules.register(session, NewModule(**ModuleFactory.payload(config="text")))

    status, document = await _answer_to(app, route)

    assert (status, document["title"]) == (500, "Internal Server Error")
    assert db_session.scalars(select(Module)).all() == []


async def test_a_violated_constraint_other_than_the_name_is_a_500(app: FastAPI) -> None:
    async def route(transactions: Transactions) -> None:
        async with transactions.begin() as session:
            session.add(ModuleFactory.build(version=None))

    assert (await _answer_to(app, route))[0] == 500


async def test_a_name_that_is_too_long_for_the_column_is_a_500_when_the_check_is_passed_by(
    app: FastAPI,
) -> None:
    async def route(transactions: Transactions) -> None:
        async with transactions.begin() as session:
            await modules.register(session, NewModule("x" * 256, "1"))

    assert (await _answer_to(app, route))[0] == 500


async def test_an_unexpected_error_is_raised_after_its_answer_so_that_the_server_logs_it(
    app: FastAPI,
) -> None:
    async def route() -> None:
        raise ValueError("evidence")

    app.add_api_route("/cc/fault", route)
    async with client_of(app) as client:
        with pytest.raises(ValueError, match="evidence"):
            await client.get("/cc/fault")


def test_every_error_of_the_services_has_a_status() -> None:
    assert {InvalidCursorError, *STATUS_OF} == set(ServiceError.__subclasses__())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cc/modules"),
        ("POST", "/cc/modules"),
        ("GET", f"/cc/modules/{UNKNOWN}"),
        ("PATCH", f"/cc/modules/{UNKNOWN}"),
        ("DELETE", f"/cc/modules/{UNKNOWN}"),
        ("POST", f"/cc/modules/{UNKNOWN}/heartbeat"),
        ("GET", f"/cc/modules/{UNKNOWN}/health"),
        ("GET", "/cc/system/health"),
    ],
)
async def test_a_database_that_is_down_is_a_503(
    settings: Settings, closed_port: int, method: str, path: str
) -> None:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=closed_port)
    down = Settings.model_validate({"database_url": url.render_as_string(hide_password=False)})
    body = ModuleFactory.payload() if method in {"POST", "PATCH"} else None
    if path.endswith("heartbeat"):
        body = {}
    async with client_of(create_app(down)) as client:
        answer = await client.request(method, path, json=body)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert answer.json()["type"] == "urn:cos:problem:database-unavailable"
    assert str(closed_port) not in answer.text


async def test_a_database_that_does_not_exist_is_a_503(settings: Settings) -> None:
    url = settings.sqlalchemy_url.set(database="nowhere")
    gone = Settings.model_validate({"database_url": url.render_as_string(hide_password=False)})
    async with client_of(create_app(gone)) as client:
        answer = await client.get("/cc/modules")

    assert answer.status_code == 503
    assert "nowhere" not in answer.text


async def test_a_row_that_somebody_else_holds_is_a_503_in_time(
    settings: Settings, db_session: Session
) -> None:
    module = ModuleFactory.create()
    db_session.execute(text("SELECT FROM modules FOR UPDATE"))
    impatient = settings.model_copy(update={"lock_timeout": 0.05})
    async with client_of(create_app(impatient)) as client:
        answer = await client.patch(f"/cc/modules/{module.id}", json={"version": "2"})
    db_session.rollback()

    assert answer.status_code == 503


async def test_a_pool_that_is_exhausted_is_a_503_in_time(settings: Settings) -> None:
    small = settings.model_copy(update={"database_pool_size": 1, "database_pool_timeout": 0.05})
    app = create_app(small)

    async def hold(transactions: Transactions) -> None:
        async with transactions.begin() as outer, transactions.begin() as inner:
            await outer.execute(text("SELECT 1"))
            await inner.execute(text("SELECT 1"))

    app.add_api_route("/cc/hold", hold)
    async with client_of(app) as client:
        answer = await client.get("/cc/hold")

    assert answer.status_code == 503


@pytest.mark.parametrize("option", ["default_transaction_read_only=on", "role=pg_read_all_data"])
async def test_a_database_that_only_reads_is_a_503_for_who_would_change_something(
    settings: Settings, option: str
) -> None:
    # As a standby is, which a failover has left behind.
    url = settings.sqlalchemy_url.update_query_dict({"options": f"-c {option}"})
    standby = Settings.model_validate({"database_url": url.render_as_string(hide_password=False)})
    async with client_of(create_app(standby)) as client:
        read = await client.get("/cc/modules")
        changed = await client.post("/cc/modules", json=ModuleFactory.payload())

    assert read.status_code == 200
    assert changed.status_code == 503
    assert changed.json()["type"] == "urn:cos:problem:database-unavailable"
