import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession

from cos.cli import health as command_of_health
from cos.db.engine import service_engine
from cos.models import HealthState, Module
from cos.services import health
from cos.services.health import Heartbeat
from cos.settings import DatabaseSettings, load
from tests.cos.commands import run
from tests.cos.factories import HealthStatusFactory, ModuleFactory


def _reported(state: HealthState, *, ago: int = 0) -> Module:
    heard = func.now() - timedelta(seconds=ago)
    return HealthStatusFactory.create(
        status=state, module__last_active=heard, module__state=state
    ).module


def _beat(module: Module, status: HealthState) -> None:
    """Store a heartbeat, in a transaction of its own."""

    async def beat() -> None:
        engine = service_engine(load(DatabaseSettings))
        async with AsyncSession(engine) as session, session.begin():
            await health.beat(session, module.id, Heartbeat(status))
        await engine.dispose()

    asyncio.run(beat())


def test_a_healthy_system_is_told_with_its_counts() -> None:
    _reported(HealthState.HEALTHY)
    done = run("health")

    assert done.exit_code == 0
    assert done.stdout == ("The system is healthy: 1 healthy, 0 degraded, 0 offline, 0 unknown.\n")
    assert done.stderr == "No active module is anything but healthy.\n"


def test_a_system_that_is_not_healthy_is_1_and_names_who_is_not() -> None:
    _reported(HealthState.HEALTHY)
    silent = _reported(HealthState.HEALTHY, ago=61)
    done = run("health")
    first, _, line = done.stdout.splitlines()

    assert done.exit_code == 1
    assert first.startswith("The system is degraded: 1 healthy, 0 degraded, 1 offline")
    assert line.split()[:3] == [silent.name, "offline", "healthy"]


def test_the_limit_of_silence_is_the_configured_one() -> None:
    _reported(HealthState.HEALTHY, ago=61)

    assert run("health", COS_OFFLINE_AFTER="600").exit_code == 0


def test_without_modules_nothing_is_known() -> None:
    done = run("health", "--json")
    document = json.loads(done.stdout)

    assert (done.exit_code, document["status"], document["not_healthy"]) == (1, "unknown", [])


def test_a_long_list_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_of_health, "LISTED", 2)
    ModuleFactory.create_batch(5)
    done = run("health")

    assert len(done.stdout.splitlines()) == 4
    assert done.stderr == "And 3 more.\n"


def test_one_module_is_shown_with_its_history() -> None:
    module = ModuleFactory.create()
    unheard = run("health", "show", module.name)
    for status in (HealthState.DEGRADED, HealthState.HEALTHY):
        _beat(module, status)
    shown = run("health", "show", str(module.id))
    document = json.loads(run("health", "show", module.name, "--json", "--limit", "1").stdout)
    lines = shown.stdout.splitlines()

    assert (unheard.exit_code, shown.exit_code) == (1, 0)
    assert unheard.stderr == "It was never heard, and never missed.\n"
    assert "status          healthy" in lines
    assert [line.split()[3:6] for line in lines[-2:]] == [
        ["healthy", "degraded", "heartbeat"],
        ["degraded", "unknown", "heartbeat"],
    ]
    assert (document["status"], len(document["history"])) == ("healthy", 1)


def test_a_module_that_is_not_there_is_told() -> None:
    done = run("health", "show", "nobody")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("There is no module with the id or the name 'nobody'.\n")


@pytest.mark.parametrize(
    "arguments", [["show"], ["show", "x", "--limit", "0"], ["nothing"], ["show", "\udcff"]]
)
def test_anything_else_is_wrong_use(arguments: list[str]) -> None:
    assert run("health", *arguments).exit_code == 2


def test_health_needs_no_redis() -> None:
    _reported(HealthState.HEALTHY)

    assert run("health", REDIS_URL=None).exit_code == 0
