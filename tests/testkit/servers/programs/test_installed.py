"""What is installed on a machine is found, asked for its version, and refused with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.servers.programs.binaries import Binaries, ClosedRoadError
from testkit.servers.programs.installed import local_postgres, local_redis

if TYPE_CHECKING:
    from pathlib import Path


def anything(_: Binaries) -> str | None:
    return None


@pytest.fixture
def path(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(place))
    return place


def program(path: Path, words: str, *, mode: int = 0o755) -> Path:
    """Write a program that says these words, as ``--version`` does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{words}'\n")
    path.chmod(mode)
    return path


def postgres(folder: Path, version: str) -> Path:
    program(folder / "initdb", "")
    return program(folder / "postgres", f"postgres (PostgreSQL) {version}")


def test_the_newest_of_several_is_taken(path: Path) -> None:
    for version in ("9.6.1", "14.20", "16.3 (Debian 16.3-1)", "15.8"):
        postgres(path / version.split()[0] / "bin", version)
    found = local_postgres(anything, folders=[f"{path}/*/bin"])

    assert (found.version, found.road, found.product) == ("16.3", "local", "PostgreSQL")
    assert found.origin == str(path / "16.3" / "bin" / "postgres")


def test_one_that_is_refused_gives_way_to_an_older_one(path: Path) -> None:
    for version in ("16.3", "15.8"):
        postgres(path / version / "bin", version)
    found = local_postgres(
        lambda b: "not this one" if b.major == 16 else None, folders=[f"{path}/*/bin"]
    )

    assert found.version == "15.8"


def test_with_none_the_reason_says_so(path: Path) -> None:
    with pytest.raises(ClosedRoadError, match="no postgres is installed") as caught:
        local_postgres(anything, folders=[f"{path}/*/bin"])
    with pytest.raises(ClosedRoadError, match="no valkey-server or redis-server is installed"):
        local_redis(anything, folders=[])

    assert "apt-get install postgresql" in caught.value.opens


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("13.4", "is 13.4, older than 14"),
        ("", "does not say its version"),
        ("devel", "does not say its version"),
        ("16.3", "not this one"),
    ],
)
def test_each_that_cannot_be_used_is_named_with_its_reason(
    path: Path, version: str, reason: str
) -> None:
    postgres(path / "x" / "bin", version)
    with pytest.raises(ClosedRoadError) as caught:
        local_postgres(lambda _: "not this one", folders=[f"{path}/*/bin"])

    assert reason in caught.value.reason


def test_a_server_without_initdb_is_no_install(path: Path) -> None:
    folder = path / "x" / "bin"
    postgres(folder, "16.3")
    (folder / "initdb").unlink()
    with pytest.raises(ClosedRoadError, match="has no initdb that can be run"):
        local_postgres(anything, folders=[f"{path}/*/bin"])


def test_a_program_that_cannot_be_run_is_passed_over(path: Path) -> None:
    program(path / "redis-server", "Redis server v=7.2.1 sha=0", mode=0o600)
    with pytest.raises(ClosedRoadError, match=r"redis-server (cannot be run|does not say)"):
        local_redis(anything, folders=[])


@pytest.mark.parametrize(
    ("name", "words", "product", "version"),
    [
        ("redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc", "Redis", "7.0.15"),
        ("valkey-server", "Valkey server v=8.1.0 sha=00000000:0", "Valkey", "8.1.0"),
        ("redis-server", "Valkey server v=8.1.0 sha=00000000:0", "Valkey", "8.1.0"),
    ],
)
def test_the_product_is_told_by_its_own_words(
    path: Path, name: str, words: str, product: str, version: str
) -> None:
    program(path / name, words)
    found = local_redis(anything, folders=[])

    assert (found.product, found.version) == (product, version)
    assert found.program(found.server) == str(path / name)


def test_an_old_redis_is_refused(path: Path) -> None:
    program(path / "redis-server", "Redis server v=6.2.1 sha=0")
    with pytest.raises(ClosedRoadError, match=r"is 6\.2\.1, older than 7"):
        local_redis(anything, folders=[])


def test_a_folder_of_path_that_is_closed_to_us_is_passed_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(path / "redis-server", "Redis server v=7.2.1 caf\\351")
    closed = path / "closed"
    closed.mkdir(mode=0)
    monkeypatch.setenv("PATH", f"{closed}:{'x' * 5000}:{path}")

    found = local_redis(anything, folders=[])
    closed.chmod(0o700)  # to be removed

    assert found.version == "7.2.1"
