"""A database that nobody migrated, or not to this version: what those who ask it meet."""

import re
import uuid

import pytest
from alembic import command
from alembic.config import Config
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.orm import Session

from cos.app import create_app
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.commands import ROOT
from tests.cos.factories import ModuleFactory

SOMETHING = uuid.UUID(int=1)
TOKEN = "a-token-of-the-environment"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def guarded(settings: Settings) -> Settings:
    """The token of the environment: the database is not asked for it, and says nothing earlier."""
    return settings.model_copy(update={"api_token": SecretStr(TOKEN)})


@pytest.mark.parametrize("revision", ["base", "0001", "0003"])
async def test_whoever_asks_is_told_that_the_schema_is_missing_or_older(
    guarded: Settings, revision: str
) -> None:
    command.downgrade(Config(ROOT / "alembic.ini"), revision)
    async with client_of(create_app(guarded)) as client:
        answers = [
            await client.get("/cc/modules", headers=BEARER),
            await client.post("/cc/modules", json=ModuleFactory.payload(), headers=BEARER),
            await client.get(f"/cc/modules/{SOMETHING}/health/history", headers=BEARER),
            await client.get("/cc/system/health", headers=BEARER),
            await client.post("/login", json={"token": TOKEN}),
        ]

    for answer in answers:
        assert answer.json()["type"] == "urn:cos:problem:schema-missing", answer.url
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
        assert not re.search("SELECT|relation|column", answer.text)


async def test_the_board_says_so_in_each_of_its_parts(
    guarded: Settings, db_session: Session
) -> None:
    db_session.execute(text("DROP TABLE modules, events, dead_letters CASCADE"))
    db_session.commit()
    async with client_of(create_app(guarded)) as client:
        pages = [
            await client.get(path, headers=BEARER)
            for path in (
                "/",
                "/board/summary",
                "/board/modules",
                "/board/events",
                "/board/dead-letters",
            )
        ]

    assert [page.status_code for page in pages] == [200] * len(pages)
    assert [page.text.count("python -m cos migrate") for page in pages] == [4, 1, 1, 1, 1]


async def test_a_statement_that_is_wrong_stays_a_fault(
    guarded: Settings, db_session: Session
) -> None:
    db_session.execute(text("ALTER TABLE modules ALTER version TYPE bytea USING version::bytea"))
    db_session.commit()
    async with client_of(create_app(guarded), raise_app_exceptions=False) as client:
        answer = await client.post("/cc/modules", json=ModuleFactory.payload(), headers=BEARER)

    assert (answer.status_code, answer.json()["type"]) == (500, "about:blank")
