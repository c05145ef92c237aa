import subprocess
import sys
import time
from typing import Any

import pytest
from fastapi import FastAPI
from redis import Redis
from sqlalchemy import text
from sqlalchemy.orm import Session

from cos.app import create_app
from cos.settings import Settings, SettingsError
from tests.cos.asgi import client_of
from tests.cos.factories import ModuleFactory
from tests.cos.waiting import until

CONNECTIONS = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'cos' AND datname = current_database()"
)


def _connections(session: Session) -> int:
    found = session.scalars(CONNECTIONS).one()
    # Within a transaction the answer would stay the same.
    session.rollback()
    return int(found)


def _operations(document: dict[str, Any]) -> set[tuple[str, str]]:
    return {(method, path) for path, methods in document["paths"].items() for method in methods}


def test_the_environment_configures_an_application(settings: Settings) -> None:
    assert create_app().state.settings == settings


def test_an_environment_without_an_address_makes_no_application(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DATABASE_URL")

    with pytest.raises(SettingsError, match="DATABASE_URL is not set"):
        create_app()


@pytest.mark.slow
def test_importing_and_making_an_application_needs_no_server_and_no_variable() -> None:
    code = (
        "import cos.app, cos.cli, cos.__main__\n"
        "from cos.settings import Settings\n"
        "cos.app.create_app(Settings(database_url='postgresql://h/d', redis_url='redis://h'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


async def test_the_lifespan_connects_only_when_asked_and_leaves_no_connection(
    app: FastAPI, db_session: Session
) -> None:
    counts = []
    async with client_of(app) as client:
        counts.append(_connections(db_session))
        await client.get("/cc/modules")
        counts.append(_connections(db_session))
    # The server notices the end of a connection a moment later.
    deadline = time.monotonic() + 10
    while _connections(db_session) and time.monotonic() < deadline:
        pass

    assert [*counts, _connections(db_session)] == [0, 1, 0]


async def test_one_application_can_be_started_again(app: FastAPI) -> None:
    statuses = []
    for _ in range(2):
        async with client_of(app) as client:
            statuses.append((await client.get("/cc/modules")).status_code)

    assert statuses == [200, 200]


async def test_one_connection_to_redis_is_enough_for_whoever_asks_something_of_it(
    settings: Settings, redis_client: Redis
) -> None:
    # What waits for events and for heartbeats holds a connection for as long as it runs.
    small = settings.model_copy(update={"redis_pool_size": 1})
    async with client_of(create_app(small, background=True)) as client:
        await client.post("/cc/modules", json=ModuleFactory.payload())
        await until(lambda: list(redis_client.scan_iter("cos:events:*")))
        ready = await client.get("/cc/health/ready")

    assert ready.json()["dependencies"]["redis"] == {"state": "up"}


def test_the_paths_are_those_below_cc_and_the_login(app: FastAPI) -> None:
    assert _operations(app.openapi()) == {
        ("post", "/cc/modules"),
        ("get", "/cc/modules"),
        ("get", "/cc/modules/{module_id}"),
        ("patch", "/cc/modules/{module_id}"),
        ("delete", "/cc/modules/{module_id}"),
        ("post", "/cc/modules/{module_id}/heartbeat"),
        ("get", "/cc/modules/{module_id}/health"),
        ("get", "/cc/modules/{module_id}/health/history"),
        ("get", "/cc/events"),
        ("get", "/cc/dead-letters"),
        ("get", "/cc/dead-letters/{letter_id}"),
        ("post", "/cc/dead-letters/{letter_id}/replay"),
        ("delete", "/cc/dead-letters/{letter_id}"),
        ("get", "/cc/system/health"),
        ("get", "/cc/config"),
        ("get", "/cc/health/live"),
        ("get", "/cc/health/ready"),
        ("get", "/cc/access"),
        ("post", "/login"),
        ("post", "/logout"),
    }


def test_every_operation_is_described_and_documents_its_problems(app: FastAPI) -> None:
    for methods in app.openapi()["paths"].values():
        for operation in methods.values():
            problem = operation["responses"]["default"]["content"]

            assert operation["description"]
            assert problem.keys() == {"application/problem+json"}
            assert "422" not in operation["responses"]


def test_the_description_of_a_change_makes_no_field_required_or_nullable(app: FastAPI) -> None:
    schema = app.openapi()["components"]["schemas"]["ModulePatch"]

    assert "required" not in schema
    assert {field["type"] for field in schema["properties"].values()} == {
        "string",
        "boolean",
        "object",
    }
    assert not [field for field in schema["properties"].values() if "default" in field]
