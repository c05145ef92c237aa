import asyncio
import uuid
from datetime import datetime
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from cos.api.resources import current_time
from cos.models import HealthStatus, Module
from testkit.core.naming import UniqueNames
from testkit.factories import Unique
from tests.cos.asgi import client_of
from tests.cos.factories import HealthStatusFactory, ModuleFactory

UNKNOWN = uuid.UUID(int=1)


async def test_a_registered_module_is_answered_and_stored(
    client: AsyncClient, db_session: Session
) -> None:
    body = ModuleFactory.payload(active=False, config={"colour": "red"})
    answer = await client.post("/cc/modules", json=body)
    document = answer.json()
    stored = db_session.get_one(Module, uuid.UUID(document["id"]))

    assert answer.status_code == 201
    assert {field: document[field] for field in body} == body
    assert {field: getattr(stored, field) for field in body} == body


async def test_what_is_left_out_has_its_default(client: AsyncClient, unique: UniqueNames) -> None:
    body = {"name": unique("module"), "version": "1"}
    document = (await client.post("/cc/modules", json=body)).json()

    assert (document["active"], document["config"], document["last_active"]) == (True, {}, None)
    assert datetime.fromisoformat(document["created_at"]).utcoffset() is not None


async def test_the_location_of_a_registered_module_leads_to_it(client: AsyncClient) -> None:
    made = await client.post("/cc/modules", json=ModuleFactory.payload())
    read = await client.get(made.headers["location"])

    assert made.headers["location"] == f"/cc/modules/{made.json()['id']}"
    assert (read.status_code, read.json()) == (200, made.json())


async def test_a_taken_name_answers_409(client: AsyncClient, db_session: Session) -> None:
    taken = ModuleFactory.create()
    answer = await client.post("/cc/modules", json=ModuleFactory.payload(name=taken.name))

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:cos:problem:name-taken")
    assert taken.name in answer.json()["detail"]
    assert db_session.scalar(select(func.count()).select_from(Module)) == 1


async def test_the_longest_name_and_version_are_taken(
    client: AsyncClient, unique: UniqueNames
) -> None:
    body = ModuleFactory.payload(name=unique("m").ljust(255, "🙂"), version="é" * 50)
    answer = await client.post("/cc/modules", json=body)

    assert (answer.status_code, answer.json()["name"]) == (201, body["name"])


@pytest.mark.parametrize(("field", "length"), [("name", 256), ("version", 51)])
async def test_a_name_or_version_that_is_too_long_answers_422(
    client: AsyncClient, field: str, length: int
) -> None:
    body = ModuleFactory.payload(**{field: "x" * length})
    answer = await client.post("/cc/modules", json=body)

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", field])


@pytest.mark.parametrize("field", ["name", "version"])
@pytest.mark.parametrize(
    "text", [" ", "\u2003", "\u200b", "\u202e\u202c", "\ufeff", "\x01"], ids=ascii
)
async def test_a_name_or_version_that_nobody_can_see_answers_422(
    client: AsyncClient, field: str, text: str
) -> None:
    answer = await client.post("/cc/modules", json=ModuleFactory.payload(**{field: text}))

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", field])


@pytest.mark.parametrize(
    "shown",
    [
        "مشروع",
        "स्टूडियो",
        "\u202eevil",
        "👩\u200d🎨",
        "e\u0301tude",
        "\u00e9tude",
        "\u0301",
        "名前",
    ],
    ids=ascii,
)
async def test_a_name_in_any_script_is_kept_found_and_shown_as_it_was_given(
    client: AsyncClient, unique: UniqueNames, shown: str
) -> None:
    name = f"{shown} {unique('m')}"
    made = await client.post("/cc/modules", json=ModuleFactory.payload(name=name))
    found = (await client.get("/cc/modules", params={"search": name})).json()["items"]
    board = (await client.get("/board/modules", params={"search": shown})).text

    assert made.json()["name"] == name
    assert [module["name"] for module in found] == [name]
    assert name in board


@pytest.mark.parametrize("field", ["id", "created_at", "last_active", "nmae"])
async def test_a_field_that_nobody_may_send_answers_422(client: AsyncClient, field: str) -> None:
    answer = await client.post("/cc/modules", json={**ModuleFactory.payload(), field: "x"})

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", field])


async def test_of_concurrent_registrations_of_one_name_exactly_one_answers_201(
    client: AsyncClient, db_session: Session
) -> None:
    body = ModuleFactory.payload()
    answers = await asyncio.gather(*(client.post("/cc/modules", json=body) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert db_session.scalar(select(func.count()).select_from(Module)) == 1


async def test_a_module_that_a_test_stored_is_read(client: AsyncClient) -> None:
    module = ModuleFactory.create(config={"colour": "red"})
    answer = await client.get(f"/cc/modules/{module.id}")

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["config"]) == (module.name, {"colour": "red"})


@pytest.mark.parametrize(
    ("method", "suffix"),
    [("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/heartbeat"), ("GET", "/health")],
)
async def test_an_unknown_module_answers_404(client: AsyncClient, method: str, suffix: str) -> None:
    body: dict[str, Any] | None = {} if method in {"PATCH", "POST"} else None
    answer = await client.request(method, f"/cc/modules/{UNKNOWN}{suffix}", json=body)

    assert (answer.status_code, answer.json()["type"]) == (404, "urn:cos:problem:unknown-module")


@pytest.mark.parametrize("bad", ["1", "ada", f"{UNKNOWN}0", "%00", "null", "g" * 32, "9" * 5000])
@pytest.mark.parametrize(
    ("method", "suffix"), [("GET", ""), ("DELETE", ""), ("POST", "/heartbeat"), ("GET", "/health")]
)
async def test_a_bad_uuid_answers_422(
    client: AsyncClient, method: str, suffix: str, bad: str
) -> None:
    answer = await client.request(method, f"/cc/modules/{bad}{suffix}")

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["path", "module_id"])


async def test_pages_lead_from_one_to_the_next(client: AsyncClient) -> None:
    # One by one: rows of one transaction have the same time of registration.
    expected = [ModuleFactory.create().name for _ in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    sizes = []
    while True:
        page = (await client.get("/cc/modules", params=query)).json()
        seen += [item["name"] for item in page["items"]]
        sizes.append(len(page["items"]))
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert (seen, sizes) == (expected, [2, 2, 1])


async def test_without_modules_there_is_one_empty_page(client: AsyncClient) -> None:
    answer = await client.get("/cc/modules")

    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", [True, False]), ("?active=true", [True]), ("?active=false", [False])],
)
async def test_modules_are_filtered_by_activity(
    client: AsyncClient, query: str, expected: list[bool]
) -> None:
    names = {True: ModuleFactory.create().name, False: ModuleFactory.create(inactive=True).name}
    page = (await client.get(f"/cc/modules{query}")).json()

    assert [item["name"] for item in page["items"]] == [names[active] for active in expected]


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=201", "limit"),
        ("limit=1e3", "limit"),
        ("limit=9223372036854775808", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=", "limit"),
        ("limit=NaN", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=" + "A" * 31 + "%F0", "cursor"),
        ("cursor=" + "f" * 32, "cursor"),
        ("cursor=" + "A" * 10_000, "cursor"),
        ("active=maybe", "active"),
        ("active=", "active"),
        ("page=2", "page"),
    ],
)
async def test_a_bad_query_answers_422(client: AsyncClient, query: str, place: str) -> None:
    answer = await client.get(f"/cc/modules?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", place])


@pytest.mark.parametrize(
    "given",
    [
        {"name": Unique("module")},
        {"version": "2"},
        {"active": False},
        {"config": {"colour": "blue"}},
        {"config": {}},
        {},
    ],
)
async def test_a_change_answers_with_the_given_fields_changed_and_no_other(
    client: AsyncClient, given: dict[str, Any]
) -> None:
    drawn = ModuleFactory.payload(**given)
    changes = {field: drawn[field] for field in given}
    module = ModuleFactory.create(config={"colour": "red"})
    path = f"/cc/modules/{module.id}"
    before = (await client.get(path)).json()
    answer = await client.patch(path, json=changes)
    after = (await client.get(path)).json()

    assert (answer.status_code, answer.json()) == (200, after)
    assert after == {**before, **changes, "updated_at": after["updated_at"]}
    assert (after["updated_at"] > before["updated_at"]) == bool(changes)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": None}, "name"),
        ({"version": None}, "version"),
        ({"active": None}, "active"),
        ({"config": None}, "config"),
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"version": "x" * 51}, "version"),
        ({"active": "no"}, "active"),
        ({"config": {"a": "\0"}}, "config"),
        ({"last_active": "2026-01-01T00:00:00Z"}, "last_active"),
        ({"id": str(UNKNOWN)}, "id"),
    ],
)
async def test_a_bad_change_answers_422_and_changes_nothing(
    client: AsyncClient, changes: dict[str, Any], place: str
) -> None:
    path = f"/cc/modules/{ModuleFactory.create().id}"
    before = (await client.get(path)).json()
    answer = await client.patch(path, json=changes)

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", place])
    assert (await client.get(path)).json() == before


async def test_a_change_to_a_taken_name_answers_409(client: AsyncClient) -> None:
    taken, module = ModuleFactory.create_batch(2)
    answer = await client.patch(f"/cc/modules/{module.id}", json={"name": taken.name})

    assert (answer.status_code, answer.json()["type"]) == (409, "urn:cos:problem:name-taken")


async def test_a_removed_module_answers_204_and_then_404(
    client: AsyncClient, db_session: Session
) -> None:
    path = f"/cc/modules/{HealthStatusFactory.create().module_id}"
    first, second = await client.delete(path), await client.delete(path)

    assert (first.status_code, first.content, second.status_code) == (204, b"", 404)
    assert "content-type" not in first.headers
    assert db_session.scalar(select(func.count()).select_from(HealthStatus)) == 0


async def test_the_name_of_a_removed_module_is_free_again(client: AsyncClient) -> None:
    body = ModuleFactory.payload()
    made = await client.post("/cc/modules", json=body)
    await client.delete(made.headers["location"])

    assert (await client.post("/cc/modules", json=body)).status_code == 201


async def test_a_heartbeat_without_a_body_is_healthy(client: AsyncClient) -> None:
    module = ModuleFactory.create()
    answer = await client.post(f"/cc/modules/{module.id}/heartbeat")
    document = answer.json()

    assert (answer.status_code, document["status"], document["details"]) == (200, "healthy", {})
    assert document["last_heartbeat"] == document["checked_at"]


@pytest.mark.parametrize("status", ["healthy", "degraded", "offline", "unknown"])
async def test_a_heartbeat_reports_a_status_with_details(client: AsyncClient, status: str) -> None:
    module = ModuleFactory.create()
    path = f"/cc/modules/{module.id}"
    body = {"status": status, "details": {"queue": [1, None]}}
    await client.post(f"{path}/heartbeat", json=body)
    health = (await client.get(f"{path}/health")).json()

    assert {field: health[field] for field in body} == body
    assert (health["module_id"], health["name"]) == (str(module.id), module.name)
    assert (await client.get(path)).json()["last_active"] == health["last_heartbeat"]


@pytest.mark.parametrize(
    "body",
    [
        {"status": "fine"},
        {"status": None},
        {"status": 1},
        {"details": None},
        {"details": [1]},
        {"details": {"a": "\0"}},
        {"state": "healthy"},
        [],
        "healthy",
    ],
)
async def test_a_bad_heartbeat_answers_422_and_is_not_counted(
    client: AsyncClient, db_session: Session, body: object
) -> None:
    module = ModuleFactory.create()
    answer = await client.post(f"/cc/modules/{module.id}/heartbeat", json=body)
    db_session.refresh(module)

    assert answer.status_code == 422
    assert module.last_active is None


async def test_a_module_is_offline_after_the_configured_silence(
    app: FastAPI, db_session: Session
) -> None:
    module = ModuleFactory.create()
    async with client_of(app) as client:
        path = f"/cc/modules/{module.id}"
        await client.post(f"{path}/heartbeat")
        db_session.refresh(module)
        last = module.last_active
        assert last is not None
        limit = app.state.settings.offline_after
        states = []
        for passed in (limit, limit + 1):
            moment = datetime.fromtimestamp(last.timestamp() + passed, tz=last.tzinfo)
            app.dependency_overrides[current_time] = lambda moment=moment: moment
            states.append((await client.get(f"{path}/health")).json()["status"])

    assert states == ["healthy", "offline"]


async def test_modules_are_found_by_their_name_and_their_state(client: AsyncClient) -> None:
    first, second = ModuleFactory.create_batch(2)
    await client.post(f"/cc/modules/{second.id}/heartbeat", json={"status": "degraded"})
    queries = [{"search": first.name.upper()}, {"state": "degraded"}, {"state": "offline"}]
    found = [
        [item["name"] for item in (await client.get("/cc/modules", params=query)).json()["items"]]
        for query in queries
    ]

    assert found == [[first.name], [second.name], []]


@pytest.mark.parametrize("query", [{"search": "a\0b"}, {"search": "x" * 256}, {"state": "ill"}])
async def test_what_cannot_be_searched_for_is_422(
    client: AsyncClient, query: dict[str, str]
) -> None:
    assert (await client.get("/cc/modules", params=query)).status_code == 422
