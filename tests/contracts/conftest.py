"""The roads by which a server may come, and a run that takes one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.servers.roads.choice import find_postgres, find_redis
from testkit.servers.templates.place import cache_directory
from tests.support.alembic_project import AlembicProject
from tests.support.runs import new_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer
    from testkit.servers.run import Run

OWN_ROADS = [
    "embedded",
    *(pytest.param(road, marks=pytest.mark.slow) for road in ("local", "docker")),
]
ROADS = [*OWN_ROADS, pytest.param("external", marks=pytest.mark.slow)]
# On a server of others by a superuser, and by a role that may make databases and no more.
POSTGRES_ROADS = [*ROADS, pytest.param("external, no superuser", marks=pytest.mark.slow)]


@dataclass(frozen=True)
class Road:
    """A road by its name, and the value of the option that leads along it."""

    name: str
    option: str


@pytest.fixture
def somebodys_run(tmp_path: Path) -> Iterator[Run]:
    """A Postgres and a Redis that somebody else runs, as far as the run under test can tell."""
    run = new_run(tmp_path / "somebody", Settings())
    yield run
    run.close()


@pytest.fixture(params=POSTGRES_ROADS)
def postgres_road(request: pytest.FixtureRequest) -> Road:
    """Every road to a Postgres, those that lead nowhere on this machine skipped by their reason."""
    road: str = request.param
    if road.startswith("external"):
        server: PostgresServer = request.getfixturevalue("somebodys_run").ensure_postgres()
        if road == "external":
            return Road(road, server.url)
        with server.connect() as connection:
            connection.execute("CREATE ROLE guest LOGIN CREATEDB PASSWORD 'hunter2'")
        return Road(road, f"postgresql://guest:hunter2@127.0.0.1:{server.port}/postgres")
    try:
        find_postgres(Settings(postgres=road), (), cache_directory(Settings())[0])
    except TestkitError as error:
        pytest.skip(str(error))
    return Road(road, road)


@pytest.fixture(params=ROADS)
def redis_road(request: pytest.FixtureRequest) -> Road:
    """Every road to a Redis, those that lead nowhere on this machine skipped by their reason."""
    road: str = request.param
    if road == "external":
        return Road(road, request.getfixturevalue("somebodys_run").ensure_redis().url)
    try:
        find_redis(Settings(redis=road), cache_directory(Settings())[0])
    except TestkitError as error:
        pytest.skip(str(error))
    return Road(road, road)


@pytest.fixture
def postgres_run(postgres_road: Road, tmp_path: Path) -> Iterator[Run]:
    """A run with a schema on the Postgres of a road."""
    project = AlembicProject(tmp_path)
    settings = Settings(postgres=postgres_road.option, schema="alembic")
    run = new_run(project.root, settings)
    yield run
    run.close()


@pytest.fixture
def redis_run(redis_road: Road, tmp_path: Path) -> Iterator[Run]:
    """A run on the Redis of a road."""
    run = new_run(tmp_path, Settings(redis=redis_road.option))
    yield run
    run.close()
