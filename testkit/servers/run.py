"""The servers of one test run, as one process of it sees them.

All processes of a run (the controller and its xdist workers) share a directory, named by the run's
token. Whoever needs Postgres first starts it, under a lock; it belongs to the controller. Each
process has a Redis of its own, which also ends with the process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from testkit.core.addresses import NOWHERE, SUPERUSER, Address, parse_url
from testkit.core.messages import TestkitError
from testkit.core.naming import database_name
from testkit.core.provided import provided
from testkit.servers.containers.images import Image
from testkit.servers.facts import note_redis, note_run
from testkit.servers.ownership.records import STANDING
from testkit.servers.ownership.run_directory import RunDirectory, run_directories
from testkit.servers.programs.binaries import Binaries
from testkit.servers.programs.launch import ORDER, stop_all
from testkit.servers.roads.choice import find_postgres, find_redis
from testkit.servers.schema.key import needed_extensions
from testkit.system.files import write_private
from testkit.system.ports import LOOPBACK, HeldPort

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from testkit.core.options import Settings
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer
    from testkit.servers.roads.external import Lease
    from testkit.servers.roads.redis_leases import RedisLease
    from testkit.servers.roads.standing import Standing
    from testkit.servers.schema.contents import Finish
    from testkit.system.processes import ProcessIdentity

__all__ = ["Run"]


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the run's Postgres will be, and whether other runs are on that server as well."""

    address: Address
    shared: bool


@dataclass(slots=True)
class Run:
    """What this process knows of its run.

    ``owner`` is the controller (or the only process), ``me`` this process, ``worker`` its name in
    the run (``main``, ``gw0`` …), ``workers`` how many processes will connect, the controller
    among them, ``started_by`` the
    command that people know the run by.
    """

    token: str
    owner: ProcessIdentity
    me: ProcessIdentity
    worker: str
    workers: int
    settings: Settings
    root: Path
    cache: Path
    finish: Finish
    progress: Callable[[str], None]
    started_by: str = "pytest"
    postgres: PostgresServer | None = None
    redis: RedisServer | None = None
    _postgres_port: HeldPort | None = None
    _redis_port: HeldPort | None = None
    _redis_password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    _lease: Lease | None = None
    redis_lease: RedisLease | None = None
    #: What finding or building the template took, where this process did it.
    template_seconds: float = 0.0
    _planned: _Plan | None = None

    @property
    def directory(self) -> RunDirectory:
        """Return the directory that the processes of the run share."""
        return RunDirectory(self.token, self.owner)

    @property
    def processes(self) -> int:
        """Return how many processes connect: at least this one."""
        return max(1, self.workers)

    @property
    def database(self) -> str:
        """Return the name of this process' database."""
        return self.database_address().name

    def database_address(self) -> Address:
        """Return where this process' database will be, before anything is started."""
        with self._locked():
            plan = self._plan()
        name = f"{self.token}_{self.worker}" if plan.shared else self.worker
        provided.add(plan.address.host, plan.address.port)
        return dataclasses.replace(plan.address, name=database_name(name))

    def redis_address(self) -> Address:
        """Return where this process' Redis will be, before anything is started.

        A database of somebody else's Redis is leased now; where that fails, ``ensure_redis`` says
        so, and the answer is an address where nothing listens.
        """
        if "://" in self.settings.redis:
            try:
                return self._lease_redis(parse_url("redis", self.settings.redis)).server.address
            except TestkitError:
                return NOWHERE["redis"]
        if self._redis_port is None:
            self._redis_port = HeldPort()
            provided.add(LOOPBACK, self._redis_port.port)
        return Address(
            "redis", LOOPBACK, self._redis_port.port, "default", self._redis_password, "0"
        )

    def ensure_postgres(self) -> PostgresServer:
        """Return the run's Postgres, started now if it was not. Raises TestkitError."""
        if self.postgres is None:
            with _room("Postgres"), self._locked():
                facts = self.directory.path / "postgres.json"
                if facts.exists():
                    self.postgres = _known(facts.read_text())
                else:
                    self.postgres = self._start_postgres()
                    write_private(facts, self.postgres.to_json())
        return self.postgres

    def ensure_database(self) -> PostgresServer:
        """Return the run's Postgres, on which this process' database is made."""
        server = self.ensure_postgres()
        if server.shared:
            if self._lease is None:
                self._lease = loaded("roads.external:Lease")(server, self)
            self.postgres = server = self._lease.marked
        # The cluster brings one database ready; only one process of a run is called so.
        if self.database != server.ready:
            with _room("Postgres"):
                server.create_database(self.database)
        return server

    def ensure_redis(self) -> RedisServer:
        """Return this process' Redis, started now if it was not. Raises TestkitError."""
        if self.redis is None:
            with _room("Redis"):
                self.redis = self._start_redis()
                note_redis(self.made(), self.worker, self.redis)
            if self._redis_port is not None:
                self._redis_port.release()
        return self.redis

    def close(self) -> None:
        """Stop what this process started or, in the controller, all of the run's servers."""
        for lease in (self._lease, self.redis_lease):
            if lease is not None:
                lease.release()
        servers = [self.redis.kept] if self.redis is not None else []
        controls = self.owner == self.me
        facts = self.directory.path / "postgres.json"
        if controls and facts.exists():
            server = _known(facts.read_text())
            servers.append(None if server.shared else server.kept)
            if server.shared:
                # Of a worker that crashed: its database has nobody else.
                loaded("roads.external:sweep_on")(server)
        own = [kept for kept in servers if kept is not None]
        orphans = [kept for kept in own if kept.killed and (kept.directory / ORDER).exists()]
        for kept in orphans:
            # The process that keeps a container was killed: nobody else removes that.
            loaded("containers.owned:remove_orphan")(kept.directory / ORDER)
        stop_all(own)
        for kept in own:
            kept.clear()
        if controls:
            self.directory.remove()
        for port in (self._postgres_port, self._redis_port):
            if port is not None:
                port.release()

    def made(self) -> Path:
        """Return the run's directory, made at the first call."""
        path = self.directory.make()
        self.note(path)
        return path

    def note(self, place: Path) -> None:
        """Write into a place of the run's to which run it belongs."""
        directory = self.directory.path
        note_run(place, root=self.root, started_by=self.started_by, directory=directory)

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        self.made()
        return self.directory.locked(
            lambda: self.progress("waiting for Postgres, which another process starts")
        )

    def _plan(self) -> _Plan:
        """Return where Postgres will be, decided once per run; needs the lock."""
        if self._planned is None:
            file = self.directory.path / "plan.json"
            if not file.exists():
                write_private(file, json.dumps(self._decided()))
            plan = json.loads(file.read_text())
            if plan is None:
                self._planned = _Plan(parse_url("database", self.settings.postgres), shared=True)
            else:
                address = Address(
                    "database", LOOPBACK, plan["port"], SUPERUSER, plan["password"], ""
                )
                self._planned = _Plan(address, shared=plan["shared"])
        return self._planned

    def _decided(self) -> dict[str, object] | None:
        if "://" in self.settings.postgres:
            return None  # the URL is the plan, and its password stays where it is
        standing = self._standing()
        if standing is not None:
            return {"port": standing.port, "password": standing.password, "shared": True}
        self._postgres_port = HeldPort()
        password = secrets.token_urlsafe(24)
        return {"port": self._postgres_port.port, "password": password, "shared": False}

    def _standing(self) -> PostgresServer | None:
        """Return the Postgres that `testkit up` left for this checkout, or None."""
        # Most machines have none: then nothing more is loaded.
        if not any((path / STANDING).exists() for path in run_directories()):
            return None
        find: Callable[..., Standing | None] = loaded("roads.standing:find_standing")
        found = find(self.settings, self.root)
        return found.postgres if found is not None else None

    def _start_postgres(self) -> PostgresServer:
        plan = self._plan()
        standing = self._standing() if plan.shared else None
        if standing is not None:
            attach: Callable[..., PostgresServer] = loaded(_STANDING)
            return attach(self, standing)
        extensions = needed_extensions(self.settings, self.root)
        found = find_postgres(self.settings, extensions, self.cache)
        start: Callable[..., PostgresServer] = loaded(_POSTGRES[type(found)])
        server = start(self, found, plan.address)
        if self._postgres_port is not None:
            self._postgres_port.release()
        return server

    def _start_redis(self) -> RedisServer:
        found = find_redis(self.settings, self.cache)
        if isinstance(found, Address):
            return self._lease_redis(found).server
        start: Callable[..., RedisServer] = loaded(_REDIS[type(found)])
        return start(self, found, self.redis_address())

    def _lease_redis(self, address: Address) -> RedisLease:
        if self.redis_lease is None:
            lease: Callable[..., RedisLease] = loaded("roads.redis_leases:lease_redis")
            self.redis_lease = lease(self, address)
        return self.redis_lease


def _known(facts: str) -> PostgresServer:
    server: PostgresServer = loaded("postgres:PostgresServer").from_json(facts)
    return server


def loaded(name: str) -> Any:
    """Return what a module of this package holds: a run loads only its own road."""
    module, _, what = name.partition(":")
    return getattr(import_module(f"{__package__}.{module}"), what)


_STANDING: Final = "roads.standing:attach_standing"
# How what a road leads to is started.
_POSTGRES: Final = {
    Binaries: "roads.copied:start_copy",
    Image: "roads.postgres_container:start_postgres_container",
    Address: "roads.external:attach_postgres",
}
_REDIS: Final = {
    Binaries: "redis:start_program",
    Image: "roads.redis_container:start_redis_container",
}


@contextlib.contextmanager
def _room(server: str) -> Iterator[None]:
    """Turn what the file system says into TK106."""
    try:
        yield
    except OSError as error:
        raise TestkitError(
            "TK106", server=server, reason=error.strerror or error, path=error.filename or "-"
        ) from error
