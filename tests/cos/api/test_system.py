import json
import time
from datetime import datetime, timedelta

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from pydantic import SecretStr
from sqlalchemy import ColumnElement, func, text
from sqlalchemy.orm import Session

from cos.app import create_app
from cos.settings import Settings
from tests.cos.asgi import client_of
from tests.cos.factories import HealthStatusFactory, ModuleFactory


def _ago(*, seconds: int) -> ColumnElement[datetime]:
    """Return a time by the database's clock, which judges it."""
    return func.now() - timedelta(seconds=seconds)


async def test_a_system_without_modules_is_unknown(client: AsyncClient) -> None:
    document = (await client.get("/cc/system/health")).json()

    assert document["status"] == "unknown"
    assert document["modules"] == {"healthy": 0, "degraded": 0, "offline": 0, "unknown": 0}


async def test_the_system_counts_its_modules(client: AsyncClient) -> None:
    heard = ModuleFactory.create()
    await client.post(f"/cc/modules/{heard.id}/heartbeat")
    HealthStatusFactory.create(healthy=True, module__last_active=_ago(seconds=61))
    document = (await client.get("/cc/system/health")).json()

    assert document["status"] == "degraded"
    assert document["modules"] == {"healthy": 1, "degraded": 0, "offline": 1, "unknown": 0}


async def test_the_configured_silence_decides_what_is_offline(
    settings: Settings,
) -> None:
    HealthStatusFactory.create(healthy=True, module__last_active=_ago(seconds=100))
    states = []
    for limit in (50.0, 3600.0):
        app = create_app(settings.model_copy(update={"offline_after": limit}))
        async with client_of(app) as client:
            states.append((await client.get("/cc/system/health")).json()["status"])

    assert states == ["offline", "healthy"]


async def test_the_configuration_shows_where_things_are_and_no_secret(
    settings: Settings,
) -> None:
    secret = settings.model_copy(update={"api_token": SecretStr("s3cret-token")})
    async with client_of(create_app(secret)) as client:
        answer = await client.get("/cc/config", headers={"Authorization": "Bearer s3cret-token"})
    document = answer.json()
    passwords = [settings.sqlalchemy_url.password, "s3cret-token"]

    assert document["authorization"] == "bearer token"
    assert document["database"] == settings.database_address
    assert document["redis"] == settings.redis_address
    assert document["offline_after"] == 60.0
    assert not [password for password in passwords if str(password) in answer.text]
    assert settings.redis_url.get_secret_value() not in answer.text


def test_every_setting_is_shown_or_known_to_be_secret() -> None:
    shown = set(create_app().openapi()["components"]["schemas"]["ConfigOut"]["properties"])

    assert set(Settings.model_fields) - shown == {"database_url", "redis_url", "api_token"}


async def test_the_process_is_alive_whatever_its_dependencies_do(
    closed_port: int,
) -> None:
    nowhere = Settings.model_validate(
        {
            "database_url": f"postgresql://127.0.0.1:{closed_port}/x",
            "redis_url": f"redis://127.0.0.1:{closed_port}",
        }
    )
    async with client_of(create_app(nowhere)) as client:
        answer = await client.get("/cc/health/live")

    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready_names_each_dependency(client: AsyncClient) -> None:
    answer = await client.get("/cc/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "dependencies": {"database": {"state": "up"}, "redis": {"state": "up"}},
    }


async def _ready_without(settings: Settings, down: str, port: int) -> Response:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=port)
    values = {
        "database": {"database_url": url.render_as_string(hide_password=False)},
        "redis": {"redis_url": f"redis://127.0.0.1:{port}"},
    }
    async with client_of(create_app(Settings.model_validate(values[down]))) as client:
        return await client.get("/cc/health/ready")


async def test_a_database_that_is_down_is_named_in_a_503(
    settings: Settings, closed_port: int
) -> None:
    answer = await _ready_without(settings, "database", closed_port)
    document = answer.json()
    states = {name: found["state"] for name, found in document["dependencies"].items()}

    assert (answer.status_code, document["type"]) == (503, "urn:cos:problem:not-ready")
    assert answer.headers["content-type"] == "application/problem+json"
    assert states == {"database": "down", "redis": "up"}
    assert str(closed_port) not in json.dumps(document)


async def test_without_redis_it_is_degraded_and_ready(settings: Settings, closed_port: int) -> None:
    answer = await _ready_without(settings, "redis", closed_port)
    document = answer.json()
    states = {name: found["state"] for name, found in document["dependencies"].items()}

    assert (answer.status_code, document["status"]) == (200, "degraded")
    assert states == {"database": "up", "redis": "down"}
    assert str(closed_port) not in json.dumps(document)


async def test_without_redis_modules_are_registered_and_heard(
    settings: Settings, closed_port: int
) -> None:
    away = Settings.model_validate({"redis_url": f"redis://127.0.0.1:{closed_port}"})
    async with client_of(create_app(away, background=True)) as client:
        made = await client.post("/cc/modules", json=ModuleFactory.payload())
        heard = await client.post(f"{made.headers['location']}/heartbeat")

    assert (made.status_code, heard.status_code) == (201, 200)


async def test_a_process_that_ends_is_not_ready(app: FastAPI) -> None:
    async with client_of(app) as client:
        app.state.stopping = True
        answer = await client.get("/cc/health/ready")
        alive = await client.get("/cc/health/live")

    assert (answer.status_code, answer.json()["type"]) == (503, "urn:cos:problem:stopping")
    assert alive.status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE modules DROP COLUMN state",
        "DROP TABLE health_records",
        "ALTER TABLE events RENAME COLUMN stream_id TO entry",
    ],
)
async def test_an_older_schema_is_not_ready(
    client: AsyncClient, db_session: Session, change: str
) -> None:
    db_session.execute(text(change))
    db_session.commit()
    answer = await client.get("/cc/health/ready")

    assert answer.status_code == 503
    assert "python -m cos migrate" in answer.json()["dependencies"]["database"]["reason"]


async def test_ready_answers_in_time_when_a_dependency_never_does(
    settings: Settings, silent_port: int
) -> None:
    url = settings.sqlalchemy_url.set(host="127.0.0.1", port=silent_port)
    silent = Settings.model_validate(
        {
            "database_url": url.render_as_string(hide_password=False),
            "redis_url": f"redis://127.0.0.1:{silent_port}",
            "ready_timeout": 0.2,
        }
    )
    started = time.monotonic()
    async with client_of(create_app(silent)) as client:
        answer = await client.get("/cc/health/ready")
        took = time.monotonic() - started

    assert answer.status_code == 503
    assert answer.json()["detail"].startswith("Not ready, because of: database.")
    assert took < 2  # testkit: ignore[TD622] that it ends in time is the subject


async def test_ready_recovers_with_its_dependency(app: FastAPI, db_session: Session) -> None:
    async with client_of(app) as client:
        db_session.execute(text("ALTER TABLE modules RENAME TO elsewhere"))
        db_session.commit()
        before = await client.get("/cc/health/ready")
        db_session.execute(text("ALTER TABLE elsewhere RENAME TO modules"))
        db_session.commit()
        after = await client.get("/cc/health/ready")

    assert (before.status_code, after.status_code) == (503, 200)
    assert "python -m cos migrate" in before.json()["dependencies"]["database"]["reason"]
