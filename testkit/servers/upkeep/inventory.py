"""What testkit has on this machine for this user: a look that changes nothing."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from testkit.servers.containers.images import docker_at
from testkit.servers.facts import POSTGRES, REDIS, RUN
from testkit.servers.ownership.records import (
    is_ours,
    owner_of,
    read_facts,
    run_prefix,
    state_of,
    to_identity,
)
from testkit.servers.ownership.verdicts import DEAD, CacheEntry, Inventory, Leftover, Server
from testkit.servers.ownership.workshop import DRAFT, made_by, workshop_prefix
from testkit.servers.programs.binaries import ClosedRoadError
from testkit.servers.templates.cache_entries import CLUSTERS, entries
from testkit.servers.templates.place import known_caches
from testkit.servers.upkeep.strays import find_strays
from testkit.system.files import ram_root, scratch_root
from testkit.system.ports import LOOPBACK
from testkit.system.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from testkit.core.options import Settings
    from testkit.system.processes import ProcessIdentity

__all__ = ["SOURCES", "Places", "take_inventory"]

_ID: Final = 12  # as Docker shows it

Found = Server | Leftover | CacheEntry


@dataclass(frozen=True, slots=True)
class Places:
    """Where to look: folders for temporary files, the RAM disk, caches, a Docker."""

    scratch: tuple[Path, ...]
    ram: Path | None
    caches: tuple[Path, ...]
    docker: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Places:
        """Return the places that runs of this user take, as far as the environment tells."""
        scratch = (scratch_root(), Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108 - a look
        ram, _ = ram_root(wanted=0)
        try:
            docker = docker_at(os.environ, Path.home())
        except (ClosedRoadError, RuntimeError):  # RuntimeError: no home directory at all
            docker = None
        return cls(_different(scratch), ram, _different(known_caches(settings)), docker)


def take_inventory(places: Places) -> Inventory:
    """Return what every row of ``SOURCES`` finds; what goes away meanwhile may be missing."""
    found = [thing for source in SOURCES for thing in source(places)]
    left = [thing for thing in found if isinstance(thing, Leftover)]
    left += find_strays(left)
    return Inventory(
        tuple(thing for thing in found if isinstance(thing, Server)),
        tuple(left),
        tuple(thing for thing in found if isinstance(thing, CacheEntry)),
    )


def _runs(places: Places) -> Iterator[Found]:
    """Find the directories of runs, and the servers whose facts stand in them."""
    data = _matching([places.ram] if places.ram is not None else [], run_prefix())
    elsewhere = [Path(_text(read_facts(path / RUN) or {}, "directory")) for path in data]
    directories = _matching(places.scratch, run_prefix())
    # A run with another TMPDIR is known by its data only, which says where the rest is.
    directories += [
        path
        for path in elsewhere
        if path.is_absolute() and path.name in {p.name for p in data} and is_ours(path)
    ]
    directories = [*_different(directories)]
    for path in directories:
        owner = owner_of(path)
        yield _leftover("run directory", path, owner, run=_token(path))
        if owner is not None:
            yield from _servers(path, owner)
    for path in data:
        if path in directories:  # TMPDIR is the RAM disk
            continue
        yield _leftover("data", path, owner_of(path), run=_token(path))


def _servers(directory: Path, owner: ProcessIdentity) -> Iterator[Server]:
    """Yield the servers of a run: those that it started, and those of others that it works on."""
    run = read_facts(directory / RUN) or {}
    state = state_of(owner)
    for file in (directory / POSTGRES, *sorted(directory.glob(REDIS))):
        facts = read_facts(file)
        if facts is None:
            continue
        kept = facts.get("kept")
        if isinstance(kept, dict) and _is_in(kept, directory):
            keeper = to_identity(kept.get("keeper"))
            place = _text(kept, "directory")
            if keeper is None or not is_alive(keeper):
                continue
        elif state == DEAD:
            # The end of a run is no reason to end what another one, or somebody else, runs.
            continue
        else:
            keeper, place = None, str(directory)
        kind: Literal["postgres", "redis"] = "postgres" if file.name == POSTGRES else "redis"
        with contextlib.suppress(OSError):  # it went away
            yield Server(
                kind=kind,
                backend=_text(facts, "backend"),
                version=_text(facts, "version"),
                reason=_text(facts, "reason"),
                url=_url(kind, facts),
                pid=None if keeper is None else keeper.pid,
                container=None if keeper is None else _container(place),
                owner_pid=owner.pid,
                state=state,
                started=_iso(file.stat().st_mtime),
                directory=place,
                run=_token(directory),
                worker=file.stem.removeprefix("redis-") if kind == "redis" else "",
                project=_text(run, "root"),
                started_by=_text(run, "started_by"),
                keeper=keeper,
                facts=str(file),
            )


def _is_in(kept: dict[str, Any], directory: Path) -> bool:
    return os.path.realpath(Path(_text(kept, "directory")).parent) == os.path.realpath(directory)


def _workshops(places: Places) -> Iterator[Found]:
    """Find the places in which templates are being made."""
    roots = places.scratch if places.ram is None else (*places.scratch, places.ram)
    for path in _matching(roots, workshop_prefix()):
        pid, state = made_by(path.name, workshop_prefix())
        yield Leftover("build workshop", str(path), pid, _age(path), state)


def _caches(places: Places) -> Iterator[Found]:
    """Find what caches keep, and what a builder has begun there."""
    for cache in places.caches:
        if not is_ours(cache):
            continue
        for path in _matching([cache / CLUSTERS], DRAFT):
            pid, state = made_by(path.name, DRAFT)
            yield Leftover("cache draft", str(path), pid, _age(path), state)
        yield from entries(cache)


def _containers(places: Places) -> Iterator[Found]:
    """Find the containers with our labels: none where Docker fails in the middle."""
    if places.docker is None:
        return
    # Docker's client is an extra, and loads slowly: only where there is a Docker.
    ours = import_module("testkit.servers.containers.owned")
    docker = import_module("docker")
    found: list[Leftover] = []
    with (
        contextlib.suppress(docker.errors.DockerException, OSError),  # OSError: those of requests
        contextlib.closing(docker.DockerClient(base_url=places.docker)) as client,
    ):
        found = [*ours.list_containers(client)]
    yield from found


# One row for each kind of thing.
SOURCES: Final[tuple[Callable[[Places], Iterable[Found]], ...]] = (
    _runs,
    _workshops,
    _caches,
    _containers,
)


def _container(directory: str) -> str | None:
    """Return the id of the container that is kept in a server's directory, None for a program."""
    found = read_facts(Path(directory, "container.json"))
    return str(found["id"])[:_ID] if found is not None and "id" in found else None


def _matching(roots: Iterable[Path], prefix: str) -> list[Path]:
    """Return the directories of ours below the roots, no links, whose names begin so."""
    return [path for root in roots for path in sorted(root.glob(f"{prefix}*")) if is_ours(path)]


def _different(paths: Iterable[Path]) -> tuple[Path, ...]:
    # Not the resolved path itself: a run's name for its place is the one that people know.
    return tuple({os.path.realpath(path): path for path in reversed([*paths])}.values())[::-1]


def _leftover(kind: Any, path: Path, owner: ProcessIdentity | None, *, run: str) -> Leftover:
    pid = None if owner is None else owner.pid
    return Leftover(kind, str(path), pid, _age(path), state_of(owner), run)


def _token(directory: Path) -> str:
    return directory.name.removeprefix(run_prefix())


def _text(facts: dict[str, Any], name: str) -> str:
    return str(facts.get(name, ""))


def _url(kind: str, facts: dict[str, Any]) -> str:
    """Return the URL of the server without its password, as its own clients take it."""
    host, port = str(facts.get("host", LOOPBACK)), facts.get("port")
    host = f"[{host}]" if ":" in host else host
    if kind == "postgres":
        user, name = facts.get("user", "postgres"), facts.get("maintenance", "postgres")
        return f"postgresql://{quote(str(user), safe='')}@{host}:{port}/{quote(str(name), safe='')}"
    return f"redis{'s' * bool(facts.get('tls'))}://{host}:{port}/{facts.get('database', 0)}"


def _age(path: Path) -> int:
    try:
        return max(0, int(time.time() - path.lstat().st_mtime))
    except OSError:
        return 0


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
