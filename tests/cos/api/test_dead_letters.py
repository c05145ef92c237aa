import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from cos.app import create_app
from cos.models import DeadLetter
from cos.settings import Settings
from testkit.core.naming import UniqueNames
from tests.cos.asgi import client_of
from tests.cos.factories import DeadLetterFactory

UNKNOWN = 2**63 - 1


async def test_a_letter_is_read_whole(client: AsyncClient) -> None:
    letter = DeadLetterFactory.create()
    answer = await client.get(f"/cc/dead-letters/{letter.id}")
    document = answer.json()

    assert answer.status_code == 200
    assert document.keys() == {
        *("id", "group", "event_id", "module_id", "sequence", "type", "occurred_at", "fields"),
        *("entry", "reason", "attempts", "replays", "first_failed_at", "last_failed_at"),
        "replay_requested_at",
    }
    assert (document["group"], document["fields"]) == (letter.group_name, letter.fields)
    assert (document["event_id"], document["attempts"]) == (str(letter.event_id), 5)


async def test_pages_lead_from_one_to_the_next(client: AsyncClient, unique: UniqueNames) -> None:
    group = unique("group")
    made = [DeadLetterFactory.create(group_name=group).id for _ in range(3)]
    DeadLetterFactory.create()
    query: dict[str, Any] = {"limit": 2, "group": group}
    first = (await client.get("/cc/dead-letters", params=query)).json()
    query["cursor"] = first["next_cursor"]
    last = (await client.get("/cc/dead-letters", params=query)).json()

    assert [item["id"] for page in (first, last) for item in page["items"]] == made[::-1]
    assert last["next_cursor"] is None


async def test_letters_of_one_module_are_listed(client: AsyncClient) -> None:
    letter, _ = DeadLetterFactory.create_batch(2)
    page = await client.get("/cc/dead-letters", params={"module_id": str(letter.module_id)})

    assert [item["id"] for item in page.json()["items"]] == [letter.id]


async def test_without_letters_there_is_one_empty_page(client: AsyncClient) -> None:
    answer = await client.get("/cc/dead-letters")

    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=0", "cursor"),
        ("cursor=9223372036854775808", "cursor"),
        ("cursor=x", "cursor"),
        ("group=", "group"),
        ("group=%00", "group"),
        ("group=" + "x" * 65, "group"),
        ("module_id=1", "module_id"),
        ("page=2", "page"),
    ],
)
async def test_a_bad_query_answers_422(client: AsyncClient, query: str, place: str) -> None:
    answer = await client.get(f"/cc/dead-letters?{query}")

    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["query", place])


@pytest.mark.parametrize(("method", "suffix"), [("GET", ""), ("POST", "/replay"), ("DELETE", "")])
@pytest.mark.parametrize(("letter", "status"), [(UNKNOWN, 404), (0, 422), (2**63, 422), ("x", 422)])
async def test_an_unknown_or_bad_id_is_told(
    client: AsyncClient, method: str, suffix: str, letter: object, status: int
) -> None:
    answer = await client.request(method, f"/cc/dead-letters/{letter}{suffix}")
    kind = {404: "unknown-dead-letter", 422: "invalid-request"}[status]

    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:cos:problem:{kind}")


async def test_a_replay_is_accepted_and_marked(client: AsyncClient, db_session: Session) -> None:
    letter = DeadLetterFactory.create()
    answer = await client.post(f"/cc/dead-letters/{letter.id}/replay")
    db_session.refresh(letter)

    assert (answer.status_code, answer.json()["id"]) == (202, letter.id)
    assert answer.json()["replay_requested_at"] is not None
    assert letter.replay_requested_at is not None


async def test_of_replays_at_once_all_are_accepted_and_the_first_counts(
    client: AsyncClient,
) -> None:
    path = f"/cc/dead-letters/{DeadLetterFactory.create().id}/replay"
    answers = await asyncio.gather(*(client.post(path) for _ in range(5)))

    assert [answer.status_code for answer in answers] == [202] * 5
    assert len({answer.json()["replay_requested_at"] for answer in answers}) == 1


async def test_of_drops_at_once_one_answers_204(client: AsyncClient, db_session: Session) -> None:
    path = f"/cc/dead-letters/{DeadLetterFactory.create().id}"
    answers = await asyncio.gather(*(client.delete(path) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [204] + [404] * 4
    assert db_session.scalars(select(DeadLetter)).all() == []


@pytest.fixture
def impatient(settings: Settings) -> FastAPI:
    """An application that waits for no lock longer than 50 ms."""
    return create_app(settings.model_copy(update={"lock_timeout": 0.05}))


@pytest.mark.parametrize(("method", "suffix"), [("POST", "/replay"), ("DELETE", "")])
async def test_a_letter_that_is_being_replayed_answers_409(
    impatient: FastAPI, db_session: Session, method: str, suffix: str
) -> None:
    letter = DeadLetterFactory.create()
    db_session.execute(select(DeadLetter).filter_by(id=letter.id).with_for_update())
    async with client_of(impatient) as client:
        answer = await client.request(method, f"/cc/dead-letters/{letter.id}{suffix}")
    db_session.rollback()

    assert (answer.status_code, answer.json()["type"]) == (
        409,
        "urn:cos:problem:dead-letter-in-hand",
    )
