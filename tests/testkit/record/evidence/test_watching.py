"""What is noted while a test runs, and told only of it."""

from __future__ import annotations

import asyncio
import io
import logging
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests
import requests.adapters
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from testkit.record.evidence import watching
from tests.support.catching import caught_of
from tests.support.hostile_objects import RAN, Bomb, BombError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.requests import Request

_ITEM = SimpleNamespace(nodeid="tests/test_it.py::test_it")
_BEFORE = SimpleNamespace(nodeid="tests/test_it.py::test_before")


async def _conflict(request: Request) -> JSONResponse:
    await request.body()
    problem = {"title": "Conflict", "detail": "name is taken", "type": "about:blank", "x": 1}
    return JSONResponse(problem, status_code=409)


async def _refused(_request: Request) -> JSONResponse:
    detail = [{"loc": ["body", "name"], "type": "missing", "msg": "Field required", "input": {}}]
    return JSONResponse({"detail": detail}, status_code=422)


_APP = Starlette(
    routes=[
        Route("/conflict", _conflict, methods=["GET", "POST"]),
        Route("/refused", _refused, methods=["POST"]),
    ]
)


def _raises() -> None:
    raise ValueError


@pytest.fixture(autouse=True)
def _watched() -> Iterator[None]:
    RAN.clear()
    watching.begin()
    watching.before_test(_ITEM)
    yield
    watching.after_test(_ITEM)
    watching.end()

    assert RAN == []


def test_an_exchange_of_a_test_client_is_told_with_its_problem() -> None:
    TestClient(_APP).post("/conflict?token=abc", json={"name": "a", "password": "hunter2"})

    facts = dict(caught_of(_raises).facts("http"))

    assert facts.pop("ago") is not None
    assert facts == {
        "method": "POST",
        "url": "http://testserver/conflict?token=•••",
        "status": 409,
        "problem": {"title": "Conflict", "detail": "name is taken", "type": "about:blank"},
        "body": '{"title":"Conflict","detail":"name is taken","type":"about:blank","x":1}',
        "request_body": '{"name":"a","password":"•••"}',
    }


def test_an_asynchronous_exchange_with_an_application_is_told() -> None:
    async def ask() -> None:
        transport = httpx.ASGITransport(app=_APP)
        async with httpx.AsyncClient(transport=transport, base_url="http://me:pw@app") as client:
            await client.get("/conflict")

    asyncio.run(ask())
    facts = caught_of(_raises).facts("http")

    assert (facts["method"], facts["url"], facts["status"]) == (
        "GET",
        "http://me:•••@app/conflict",
        409,
    )


def test_a_stream_is_not_read_and_told_once_the_test_has_read_it() -> None:
    def pieces() -> Iterator[bytes]:
        yield from (b"one", b"two")

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=pieces()))
    with (
        httpx.Client(transport=transport) as client,
        client.stream("GET", "http://app/") as answer,
    ):
        unread = caught_of(_raises).facts("http")
        read = answer.read()
        told = caught_of(_raises).facts("http")

    assert "body" not in unread
    assert (read, told["body"]) == (b"onetwo", "onetwo")


def test_an_exchange_of_requests_is_told() -> None:
    class Answering(requests.adapters.BaseAdapter):
        def send(self, request: Any, **_: Any) -> requests.Response:  # type: ignore[override]  # fewer
            answer = requests.Response()
            answer.status_code, answer.url, answer.request = 404, request.url, request
            answer.raw = io.BytesIO(b'{"detail": "no such module"}')
            return answer

        def close(self) -> None:
            return

    with requests.Session() as session:
        session.mount("http://", Answering())
        session.post("http://app/modules/7", data="x=1")

    facts = caught_of(_raises).facts("http")

    assert (facts["status"], facts["problem"], facts["request_body"]) == (
        404,
        "no such module",
        "x=1",
    )


def test_a_request_without_an_answer_is_told_with_its_error() -> None:
    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    def fails() -> None:
        with httpx.Client(transport=httpx.MockTransport(refuse)) as client:
            client.get("http://app/")

    facts = caught_of(fails).facts("http")

    assert (facts["error"], "status" in facts) == ("httpx.ConnectError", False)


def test_an_answer_of_422_is_a_validation_as_well() -> None:
    TestClient(_APP).post("/refused")

    facts = caught_of(_raises).facts("validation")

    assert facts["errors"] == [
        {
            "loc": ["body", "name"],
            "type": "missing",
            "message": "Field required",
            "input_type": "dict",
        }
    ]


def test_the_last_statements_are_told_without_parameters() -> None:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as connection:
        for number in range(30):
            connection.execute(sa.text(f"SELECT {number}, :secret"), {"secret": "hunter2"})
    engine.dispose()

    last = caught_of(_raises).facts("statements")["last"]

    assert last == [f"SELECT {number}, ?" for number in range(20, 30)]


def test_logged_errors_are_told_without_running_what_was_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("shop.orders")
    with caplog.at_level(logging.CRITICAL + 1):
        logger.setLevel(logging.ERROR)
        logging.getLogger().handlers[:], kept = [*_ours()], logging.getLogger().handlers[:]
        try:
            logger.error("order %s of %s failed", 7, Bomb())
            logger.error("password=hunter2", exc_info=BombError("it broke"))
        finally:
            logging.getLogger().handlers[:] = kept

    first, second = caught_of(_raises).all("log")

    assert first["message"] == "order 7 of <tests.support.hostile_objects.Bomb> failed"
    assert second["message"] == "password=•••"
    assert second["exception"] == "tests.support.hostile_objects.BombError: it broke"


def _ours() -> list[logging.Handler]:
    own = [h for h in logging.getLogger().handlers if type(h).__module__.startswith("testkit.")]

    assert own
    return own[-1:]  # the run of these tests may be watched itself


def test_a_variable_that_an_earlier_test_left_is_told_with_that_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watching.after_test(_ITEM)
    watching.before_test(_BEFORE)
    monkeypatch.setenv("SHOP_MODE", "hunter2")
    watching.after_test(_BEFORE)
    watching.before_test(_ITEM)
    monkeypatch.setenv("MY_OWN", "1")
    watching.after_fixture("own")

    found = caught_of(_raises, nodeid=_ITEM.nodeid)

    assert {"name": "SHOP_MODE", "by": _BEFORE.nodeid} in found.facts("environment")["changed"]  # type: ignore[operator]  # a list
    assert "hunter2" not in str(found.evidence)
    assert found.facts("before") == {"tests": [_ITEM.nodeid, _BEFORE.nodeid], "count": 2}


def test_what_a_fixture_of_an_earlier_test_changed_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watching.after_test(_ITEM)
    watching.before_test(_BEFORE)
    monkeypatch.setenv("SHOP_MODE", "x")
    watching.after_fixture("mode")
    watching.after_test(_BEFORE)
    watching.before_test(_ITEM)

    changed = caught_of(_raises, nodeid=_ITEM.nodeid).facts("environment")["changed"]

    assert changed == [{"name": "SHOP_MODE", "by": f"{_BEFORE.nodeid} (fixture mode)"}]


def test_a_later_mapper_failure_points_back_to_the_first() -> None:
    def first() -> None:
        raise sa.exc.ArgumentError("Mapper[Order(orders)] could not assemble any primary key")

    def later() -> None:
        raise sa.exc.InvalidRequestError("One or more mappers failed to initialize")

    caught_of(first, nodeid="tests/a.py::first")

    facts = caught_of(later, nodeid="tests/a.py::later").facts("mapper")

    assert facts["nodeid"] == "tests/a.py::first"
    assert "primary key" in str(facts["message"])


def test_nothing_is_wrapped_any_more_at_the_end() -> None:
    wrapped = httpx.Client.send
    watching.end()

    assert httpx.Client.send is not wrapped
    assert httpx.Client.send.__module__.startswith("httpx")
    assert "SHOP_MODE" not in os.environ


def test_a_run_within_a_test_leaves_the_watching_of_the_run_around_it() -> None:
    around, within = SimpleNamespace(), SimpleNamespace()
    watching.begin(around)
    try:
        noted = watching.watched()
        watching.begin(within)
        was_apart = watching.watched() is not noted
        watching.end()

        assert was_apart
        assert watching.watched() is noted
        assert watching.config() is around
    finally:
        watching.end()
