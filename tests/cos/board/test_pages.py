import asyncio
import re
from datetime import timedelta

import pytest
from fastapi import FastAPI
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy import func, update
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import Session

from cos.app import create_app
from cos.board.contents import events_part
from cos.db.engine import service_engine
from cos.models import ApiToken, HealthState
from cos.settings import Settings
from testkit.core.naming import UniqueNames
from testkit.isolation.database import Database
from tests.cos.asgi import client_of
from tests.cos.factories import ApiTokenFactory, ModuleFactory, OutboxEventFactory, text_of
from tests.cos.waiting import until

PARTS = ["/board/summary", "/board/modules", "/board/events", "/board/dead-letters"]


def _texts(html: str) -> str:
    """Return what a person reads: without tags, white space as single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


async def test_the_board_shows_modules_with_state_version_and_last_beat(
    client: AsyncClient, unique: UniqueNames
) -> None:
    heard, silent = unique("module"), unique("module")
    ModuleFactory.create(
        name=heard,
        version="3.1",
        state=HealthState.DEGRADED,
        last_active=func.now() - timedelta(minutes=2),
    )
    ModuleFactory.create(name=silent, version="1", active=False)
    shown = _texts((await client.get("/")).text)

    assert f"{heard} degraded 3.1 2 min ago" in shown
    assert f"{silent} inactive unknown 1 never" in shown


async def test_a_board_of_nothing_says_what_to_do(client: AsyncClient) -> None:
    shown = _texts((await client.get("/")).text)

    assert "No module is registered yet. POST /cc/modules registers one" in shown
    assert "Nothing happened yet." in shown
    assert "None: every subscriber handled what it was given." in shown
    assert "Health unknown offline 0 degraded 0 unknown 0 healthy 0" in shown


async def test_a_filter_that_nothing_passes_says_how_to_see_everything(
    client: AsyncClient,
) -> None:
    ModuleFactory.create()
    shown = _texts((await client.get("/board/modules", params={"search": "nobody"})).text)

    assert shown == "No module matches. Clear the name and choose all states to see every module."


async def test_modules_are_filtered_by_name_and_state_and_the_address_says_so(
    client: AsyncClient, unique: UniqueNames
) -> None:
    wanted, other = unique("wanted"), unique("other")
    ModuleFactory.create(name=wanted, state=HealthState.OFFLINE)
    ModuleFactory.create(name=other, state=HealthState.OFFLINE)
    ModuleFactory.create(name=f"{wanted}-2", state=HealthState.HEALTHY)
    asked = {"search": f" {wanted} ", "state": "offline", "cursor": ""}
    answer = await client.get("/board/modules", params=asked)

    assert wanted in answer.text
    assert other not in answer.text
    assert f"{wanted}-2" not in answer.text
    assert answer.headers["hx-replace-url"] == f"/?search={wanted}&state=offline"


async def test_what_people_wrote_is_shown_as_they_wrote_it_and_never_run(
    client: AsyncClient, unique: UniqueNames
) -> None:
    name = f"{unique('m')}<script>alert(1)</script>"
    made = await client.post("/cc/modules", json={"name": name, "version": "<b>&amp;"})
    page = (await client.get("/", params={"search": '"><script>'})).text
    parts = [(await client.get(part)).text for part in PARTS]

    assert made.status_code == 201
    for html in (page, *parts):
        assert "<script>" not in html.replace("<script src=", "")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in parts[1]
    assert "&lt;b&gt;&amp;amp;" in parts[1]


@pytest.mark.parametrize(
    "query", ["state=dead", "cursor=x", "search=" + "x" * 256, "cursor=" + "A" * 201]
)
async def test_a_filter_that_cannot_be_is_refused(client: AsyncClient, query: str) -> None:
    answer = await client.get(f"/?{query}")

    assert (answer.status_code, answer.json()["type"]) == (422, "urn:cos:problem:invalid-request")


async def test_a_name_to_search_for_may_hold_anything(client: AsyncClient) -> None:
    for text in ("%", "_", "\\", "\0", "'", "\N{SNAKE}", "a" * 255):
        answer = await client.get("/board/modules", params={"search": text})

        assert answer.status_code == 200, text


async def test_more_modules_than_a_page_has_are_reached_by_links(
    client: AsyncClient, unique: UniqueNames
) -> None:
    names = [f"{unique('m')}-{number:02}" for number in range(51)]
    for name in names:
        ModuleFactory.create(name=name)
    first = (await client.get("/")).text
    (link,) = re.findall(r'href="(/\?cursor=[^"]+)">Next page', first)
    second = (await client.get(link)).text

    assert [name for name in names if f"<bdi>{name}</bdi>" in first] == names[:50]
    assert [name for name in names if f"<bdi>{name}</bdi>" in second] == names[50:]
    assert 'href="/">First page' in second
    assert "Next page" not in second


async def test_events_are_told_in_words_newest_first(
    client: AsyncClient, unique: UniqueNames
) -> None:
    name, later = unique("module"), unique("module")
    made = (await client.post("/cc/modules", json={"name": name, "version": "1"})).json()
    place = f"/cc/modules/{made['id']}"
    await client.post(f"{place}/heartbeat", json={"status": "degraded"})
    await client.patch(place, json={"version": "2", "name": later})
    await client.delete(place)
    shown = _texts((await client.get("/board/events")).text).split(" not published yet")

    assert [text.strip().partition(" ")[2].partition(" ")[2] for text in shown if text] == [
        f"module.removed {later}",
        f"module.changed {later}: name, version 2",
        f"health.changed {made['id']}: unknown → degraded (heartbeat)",
        f"module.registered {name}: version 1",
    ]


async def test_an_event_of_a_younger_service_is_shown_by_its_type(client: AsyncClient) -> None:
    module = ModuleFactory.create()
    OutboxEventFactory.create(
        module_id=module.id, sequence=1, type="module.painted", payload={"colour": 7}
    )
    shown = _texts((await client.get("/board/events")).text)

    assert f"module.painted {module.name}" in shown


async def test_the_parts_take_few_statements_however_much_they_show(
    settings: Settings, database: Database
) -> None:
    for _ in range(60):
        module = ModuleFactory.create()
        OutboxEventFactory.create(module_id=module.id, sequence=1, payload={})
    engine = service_engine(settings)
    with database.queries.expect(at_most=3, each_at_most=1):
        part = await events_part(async_sessionmaker(engine))
    await engine.dispose()

    assert len(part.rows) == 50


@pytest.mark.slow
async def test_a_page_hears_nothing_more_soon_after_its_token_was_revoked(
    app: FastAPI, db_session: Session
) -> None:
    token = ApiTokenFactory.create()
    bearer = {"Authorization": f"Bearer {text_of(token)}"}
    async with client_of(app) as client:
        # This client has the answer when it is whole.
        listening = asyncio.create_task(client.get("/board/live", headers=bearer))
        await until(lambda: app.state.resources.pages.readers)
        db_session.execute(update(ApiToken).values(revoked_at=func.now()))
        db_session.commit()
        heard = await asyncio.wait_for(listening, 30)

    assert heard.text == "retry: 1000\n\n"


async def test_without_the_database_each_part_says_so_and_the_page_is_there(
    settings: Settings, closed_port: int
) -> None:
    nowhere = settings.sqlalchemy_url.set(port=closed_port).render_as_string(hide_password=False)
    # A token of the environment: nothing has to be looked up to let the request in.
    lost = settings.model_copy(
        update={"database_url": SecretStr(nowhere), "api_token": SecretStr("s3cret-token")}
    )
    token = {"Authorization": "Bearer s3cret-token"}
    async with client_of(create_app(lost)) as client:
        page = await client.get("/", headers=token)
        parts = [await client.get(part, headers=token) for part in PARTS]

    assert page.status_code == 200
    assert page.text.count("The database cannot be reached just now.") == 4
    assert "Redis connected" in _texts(page.text)
    assert [part.status_code for part in parts] == [200] * 4
    assert ["cannot be reached just now" in part.text for part in parts] == [True] * 4
