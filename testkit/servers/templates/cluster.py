"""Database clusters: made once per machine and schema, kept in the cache, copied after that."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg

from testkit.core.messages import TestkitError
from testkit.servers.ownership.workshop import DRAFT, maker, server_directory, sweep, workshop
from testkit.servers.postgres import (
    BUILTIN_LOCALES,
    READY,
    SCRAM_ITERATIONS,
    SUPERUSER,
    TEMPLATE,
    PostgresServer,
    start_postgres,
)
from testkit.servers.programs.launch import KeptServer, PreparedKeeper, not_ready, stop_all
from testkit.servers.schema.contents import Contents
from testkit.servers.schema.key import base_key
from testkit.servers.templates.cache_entries import drop, entries, is_unused
from testkit.system.files import (
    locked,
    ordinary_user,
    private_directory,
    publish,
    tail,
    write_private,
)
from testkit.system.pack import Pack, pack_tree
from testkit.system.ports import HeldPort
from testkit.system.processes import identify

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.core.options import Settings
    from testkit.servers.programs.binaries import Binaries
    from testkit.servers.schema.contents import Finish

__all__ = ["Cluster", "ClusterCache", "initdb_arguments"]

_DATA: Final = "data.pack"
_PAUSE: Final = 0.002  # seconds between two looks whether initdb has ended
_DAY_SECONDS: Final = 24 * 3600
# Upper and lower case of every letter where the server has no collation of its own.
_UTF8_CTYPE: Final = "UTF-8" if sys.platform == "darwin" else "C.UTF-8"


def initdb_arguments(major: int) -> tuple[str, ...]:
    """Return the arguments of ``initdb``, the same on every machine."""
    collation: tuple[str, ...] = ("--locale", "C", "--lc-ctype", _UTF8_CTYPE)
    if major >= BUILTIN_LOCALES:
        collation = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale", "C")
    settings = ("--set", "scram_iterations=1") if major >= SCRAM_ITERATIONS else ()
    return (
        *("--username", SUPERUSER, "--auth", "scram-sha-256", "--encoding", "UTF8"),
        *collation,
        *("--wal-segsize", "1", "--no-sync", "--no-instructions"),
        *settings,
    )


@dataclass(frozen=True, slots=True)
class Cluster:
    """A stopped cluster in the cache, never written to again.

    It holds the database ``TEMPLATE`` and, cloned from it already, ``READY``, whose files lie in
    the folder ``ready``. ``data`` is the packed data directory.
    """

    data: Path
    password: str
    ready: str

    def unfold(self, target: Path) -> Future[None]:
        """Write what a start and the database ``READY`` need; answer the writing of the rest.

        The server may start at once. Nobody may use another database before the rest is there.
        """
        packed, owner = Pack.read(self.data), ordinary_user()
        packed.unfold(target, owner=owner, wanted=lambda name: not self._can_wait(name))
        threads = ThreadPoolExecutor(1, "testkit unfold")
        rest = threads.submit(packed.unfold, target, owner=owner, wanted=self._can_wait)
        threads.shutdown(wait=False)
        return rest

    def _can_wait(self, name: str) -> bool:
        return name.startswith("base/") and not f"{name}/".startswith(f"{self.ready}/")


@dataclass(frozen=True, slots=True)
class ClusterCache:
    """Finds or makes clusters below ``folder``, one maker at a time on the machine."""

    folder: Path
    binaries: Binaries
    progress: Callable[[str], None]

    def with_schema(self, settings: Settings, root: Path, finish: Finish) -> Cluster:
        """Return the cluster whose template holds the project's schema.

        Raises TK103, TK101, TK201 to TK205; then nothing is kept.
        """
        words = (
            self.binaries.origin,
            self.binaries.version,
            *initdb_arguments(self.binaries.major),
        )
        server = " ".join(words)
        with Contents(settings, root, finish, self.folder.parent / "fingerprints") as contents:
            key = contents.key(server)
            if (found := self._read(key)) is not None:
                return found
            contents.load()  # Alembic takes as long as initdb: both at the same time
            base = self._made(base_key(server), self._initdb)
            return self._made(key, lambda draft: self._build(draft, base, contents))

    def _read(self, name: str) -> Cluster | None:
        folder = self.folder / name
        with contextlib.suppress(FileNotFoundError):
            facts = json.loads((folder / "cluster.json").read_text())
            _use(folder / "cluster.json")
            return Cluster(folder / _DATA, facts["password"], facts["ready"])
        return None

    def _made(self, name: str, make: Callable[[Path], dict[str, str]]) -> Cluster:
        private_directory(self.folder)
        waiting = lambda: self.progress("waiting for another run that builds the template")  # noqa: E731
        with locked(self.folder / f"{name}.lock", waiting=waiting):
            if (found := self._read(name)) is None:
                sweep(self.folder, DRAFT)
                prefix = f"{DRAFT}{maker()}-"
                draft = Path(tempfile.mkdtemp(prefix=prefix, dir=self.folder))
                try:
                    write_private(draft / "cluster.json", json.dumps(make(draft)))
                    publish(draft, self.folder / name)
                    self._collect()
                except BaseException:
                    shutil.rmtree(draft, ignore_errors=True)
                    raise
                found = self._read(name)
        assert found is not None
        return found

    def _collect(self) -> None:
        """Remove clusters and fingerprints that nobody has used for a month."""
        for entry in entries(self.folder.parent):
            if is_unused(path := Path(entry.path)):
                with contextlib.suppress(OSError):
                    drop(path)

    def _initdb(self, draft: Path) -> dict[str, str]:
        self.progress("creating the database cluster (once per machine)")
        password, user = secrets.token_urlsafe(24), ordinary_user()
        # Under a keeper: initdb's servers have shared memory, which stays when they are killed.
        with workshop() as (place, _), PreparedKeeper("testkit-initdb") as keeper:
            directory = server_directory(place / "initdb")
            secret = directory / "password"
            secret.write_text(password)
            if user is not None:
                os.chown(secret, user, user)
            command = [
                self.binaries.program("initdb"),
                *("-D", str(place / "data")),
                *initdb_arguments(self.binaries.major),
                *("--pwfile", str(secret)),
            ]
            me = identify(os.getpid())
            assert me is not None
            kept = keeper.launch(
                "Postgres",
                command,
                directory=directory,
                owners=[me],
                stop=signal.SIGTERM,
                remove=[directory, place / "data"],
                keep=True,
                user=user,
                environment={"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"},
            )
            try:
                self._wait_for_initdb(kept, command[0])
            finally:
                stop_all([kept])
            pack_tree(place / "data", draft / _DATA)
        return {"password": password, "ready": ""}

    def _wait_for_initdb(self, kept: KeptServer, program: str) -> None:
        while (ended := kept.has_ended()) is None:
            time.sleep(_PAUSE)
        if ended == "exit code 0":
            return
        problem = not_ready(kept, ended)
        if isinstance(problem, OSError):
            raise problem
        raise TestkitError(
            "TK103", command=program, end=ended, directory=kept.directory, log=tail(kept.log)
        )

    def _build(self, draft: Path, base: Cluster, contents: Contents) -> dict[str, str]:
        if contents.has_schema:
            self.progress("applying the schema to a template (once per content)")
        password = secrets.token_urlsafe(24)
        with workshop() as (place, in_ram), PreparedKeeper("testkit-build") as keeper:
            Pack.read(base.data).unfold(place / "data", owner=ordinary_user())
            port = HeldPort()
            me = identify(os.getpid())
            assert me is not None
            server = start_postgres(
                keeper,
                self.binaries,
                data=place / "data",
                directory=server_directory(place / "server"),
                port=port.port,
                passwords=(base.password, password),
                database="postgres",
                owners=[me],
                connections=20,
                in_ram=in_ram,
                reason="",
                keep=True,
            )
            port.release()
            try:
                with server.connect() as connection:
                    connection.execute(f"CREATE DATABASE {TEMPLATE}".encode())
                contents.fill(server, TEMPLATE)
                server.create_database(READY)
                ready = _folder(server, READY)
            except psycopg.errors.DiskFull as error:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(place)) from error
            finally:
                assert server.kept is not None
                stop_all([server.kept])
            pack_tree(place / "data", draft / _DATA)
        return {"password": password, "ready": ready}


def _folder(server: PostgresServer, database: str) -> str:
    """Return where the files of a database lie in the data directory."""
    with server.connect() as connection:
        row = connection.execute(
            "SELECT 'base/' || oid FROM pg_database WHERE datname = %s", (database,)
        ).fetchone()
    assert row is not None
    return str(row[0])


def _use(path: Path) -> None:
    """Note, once a day, that this was used; a cache that nobody can write is not collected."""
    with contextlib.suppress(OSError):
        if time.time() - path.stat().st_mtime > _DAY_SECONDS:
            os.utime(path)
