import uuid
from typing import Any

import pytest
from httpx import AsyncClient

from tests.cos.events.subscribers import Sessions, store


@pytest.mark.parametrize(("order", "expected"), [("newest", [3, 2, 1]), ("oldest", [1, 2, 3])])
async def test_pages_lead_from_one_to_the_next(
    client: AsyncClient, sessions: Sessions, order: str, expected: list[int]
) -> None:
    module = uuid.uuid4()
    await store(sessions, module, 1, 2, 3)
    await store(sessions, uuid.uuid4(), 1)
    query: dict[str, Any] = {"limit": 2, "order": order, "module_id": str(module)}
    first = (await client.get("/cc/events", params=query)).json()
    query["cursor"] = first["next_cursor"]
    last = (await client.get("/cc/events", params=query)).json()

    assert [item["sequence"] for page in (first, last) for item in page["items"]] == expected
    assert last["next_cursor"] is None


async def test_an_event_is_shown_whole(client: AsyncClient, sessions: Sessions) -> None:
    (event,) = await store(sessions, uuid.uuid4(), 1)
    (item,) = (await client.get("/cc/events")).json()["items"]
    position = item.pop("position")

    assert position > 0
    assert item == {
        "id": str(event.id),
        "type": event.type,
        "version": 1,
        "module_id": str(event.module_id),
        "sequence": 1,
        "occurred_at": event.occurred_at.isoformat().replace("+00:00", "Z"),
        "correlation_id": "-",
        "payload": {"status": "healthy"},
        "published_at": None,
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=health.changed", 1),
        ("type=module.removed", 0),
        ("since=2020-01-01T00:00:00Z", 1),
        ("since=9999-12-31T00:00:00Z", 0),
    ],
)
async def test_events_are_filtered(
    client: AsyncClient, sessions: Sessions, query: str, expected: int
) -> None:
    await store(sessions, uuid.uuid4(), 1)
    page = (await client.get(f"/cc/events?{query}")).json()

    assert len(page["items"]) == expected


async def test_without_events_there_is_one_empty_page(client: AsyncClient) -> None:
    answer = await client.get("/cc/events")

    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=0", "cursor"),
        ("cursor=9223372036854775808", "cursor"),
        ("order=random", "order"),
        ("module_id=1", "module_id"),
        ("type=", "type"),
        ("type=%00", "type"),
        ("type=" + "x" * 65, "type"),
        ("since=yesterday", "since"),
        ("since=2030-01-01T00:00:00", "since"),
        ("since=0001-01-01T00:00:00%2B14:00", "since"),
        # Numbers would be seconds since 1970, or milliseconds: the document promises neither.
        ("since=0.0", "since"),
        ("since=1700000000", "since"),
        ("since=%2B1", "since"),
        ("page=2", "page"),
    ],
)
async def test_a_bad_query_answers_422(client: AsyncClient, query: str, place: str) -> None:
    answer = await client.get(f"/cc/events?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", place])
