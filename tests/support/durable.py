"""A Redis and a Postgres of one test's own that can be killed, frozen and started again.

Unlike testkit's own they stand on one port and keep their data on a disk over a restart: what a
test of a service does to the servers of a production.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
from typing import TYPE_CHECKING, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.core.options import Settings
from testkit.isolation.template import JournalTemplate
from testkit.servers.ownership.workshop import server_directory
from testkit.servers.postgres import start_postgres
from testkit.servers.programs.binaries import Binaries
from testkit.servers.programs.launch import PreparedKeeper, stop_all, wait_until
from testkit.servers.roads.choice import find_postgres, find_redis
from testkit.servers.templates.cluster import ClusterCache
from testkit.servers.templates.place import cache_directory
from testkit.system.files import ordinary_user
from testkit.system.ports import LOOPBACK, HeldPort
from testkit.system.processes import identify
from tests.support.processes import children_of

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.servers.postgres import PostgresServer
    from testkit.servers.programs.launch import KeptServer
    from testkit.system.processes import ProcessIdentity

__all__ = ["DurablePostgres", "DurableRedis"]

_EMBEDDED: Final = Settings(postgres="embedded", redis="embedded")
_READY: Final = "postgres"


def _me() -> ProcessIdentity:
    me = identify(os.getpid())
    assert me is not None
    return me


def _programs(found: object) -> Binaries:
    assert isinstance(found, Binaries)
    return found


class DurableRedis:
    """A Valkey with ``appendfsync always``: what it answered for is there after ``kill -9``."""

    def __init__(self, directory: Path) -> None:
        self._held = HeldPort()
        self._password = secrets.token_urlsafe(16)
        self._directory = server_directory(directory)
        self._binaries = _programs(find_redis(_EMBEDDED, cache_directory(_EMBEDDED)[0]))
        self._kept: KeptServer | None = None
        self.url = f"redis://:{self._password}@{LOOPBACK}:{self._held.port}/0"

    def start(self) -> None:
        """Start it on the data that is there, and return when it takes commands."""
        configuration = self._directory / "redis.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(
            f"bind {LOOPBACK}\nport {self._held.port}\nrequirepass {self._password}\n"
            f'dir "{self._directory}"\nsave ""\nappendonly yes\nappendfsync always\n'
        )
        owner = self._directory.stat()
        os.chown(configuration, owner.st_uid, owner.st_gid)
        with PreparedKeeper("durable-redis") as keeper:
            self._kept = keeper.launch(
                "Redis",
                [self._binaries.program(self._binaries.server), str(configuration)],
                directory=self._directory,
                owners=[_me()],
                stop=signal.SIGKILL,
                remove=[self._directory],
                keep=True,
                user=ordinary_user(),
            )
        wait_until(self._kept, self._answers)

    def kill(self) -> None:
        """Kill it with SIGKILL; what it wrote stays."""
        assert self._kept is not None
        stop_all([self._kept])
        self._kept = None

    def lose_everything(self) -> None:
        """Remove what a server that was killed had written."""
        assert self._kept is None
        shutil.rmtree(self._directory / "appendonlydir")

    def freeze(self) -> None:
        """Stop it with SIGSTOP: it takes connections and answers nothing."""
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self._pid(), signal.SIGCONT)

    def cut_connections(self) -> None:
        """Close every client's connection but the one that says so."""
        with self.client() as client:
            client.client_kill_filter(skipme=True)

    def client(self) -> redis.Redis:
        """Return a client that gives up at once."""
        return redis.Redis.from_url(
            self.url, socket_timeout=5, retry=Retry(NoBackoff(), 0), decode_responses=True
        )

    def close(self) -> None:
        """End it, and remove what it wrote."""
        if self._kept is not None:
            with contextlib.suppress(ProcessLookupError, IndexError):
                self.thaw()
            self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._held.release()

    def _answers(self) -> bool:
        with self.client() as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def _pid(self) -> int:
        assert self._kept is not None
        return children_of(self._kept.keeper.pid)[0]


class DurablePostgres:
    """A Postgres that keeps its data over a restart, with one empty database in it."""

    def __init__(self, directory: Path) -> None:
        self._held = HeldPort()
        self._directory, self._data = directory, directory.with_name(f"{directory.name}-data")
        cache = cache_directory(_EMBEDDED)[0]
        self._binaries = _programs(find_postgres(_EMBEDDED, (), cache))
        clusters = ClusterCache(cache / "clusters", self._binaries, print)
        self._cluster = clusters.with_schema(_EMBEDDED, directory.parent, JournalTemplate())
        self._passwords = (self._cluster.password, secrets.token_urlsafe(16))
        self._server: PostgresServer | None = None
        server_directory(self._data)
        self._cluster.unfold(self._data).result()

    @property
    def url(self) -> str:
        """Return the URL of its database, the same after each start."""
        assert self._server is not None
        return self._server.address(_READY).url("libpq")

    def start(self) -> None:
        """Start it on the data that is there, and return when it takes sessions."""
        with PreparedKeeper("durable-postgres") as keeper:
            self._server = start_postgres(
                keeper,
                self._binaries,
                data=self._data,
                directory=server_directory(self._directory),
                port=self._held.port,
                passwords=self._passwords,
                database=_READY,
                owners=[_me()],
                connections=100,
                in_ram=False,
                reason="durable",
                keep=True,
            )
        self._passwords = (self._passwords[1], self._passwords[1])

    def stop(self) -> None:
        """Shut it down in order; its sessions are ended."""
        assert self._server is not None
        assert self._server.kept is not None
        stop_all([self._server.kept])
        self._server = None

    def close(self) -> None:
        """End it, and remove its data."""
        if self._server is not None:
            self.stop()
        for folder in (self._directory, self._data):
            shutil.rmtree(folder, ignore_errors=True)
        self._held.release()
