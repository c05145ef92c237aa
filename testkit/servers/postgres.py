"""One running Postgres: its facts, how it is started from a cluster, and its databases."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import re
import shlex
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from testkit.core.addresses import SUPERUSER, Address
from testkit.core.naming import database_name
from testkit.core.provided import provided
from testkit.servers.ownership.marks import end_prepared
from testkit.servers.programs.launch import (
    KeptServer,
    PreparedKeeper,
    not_ready,
    stop_all,
    wait_until,
)
from testkit.system.files import ordinary_user
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from testkit.servers.programs.binaries import Binaries
    from testkit.system.processes import ProcessIdentity

__all__ = [
    "BUILTIN_LOCALES",
    "READY",
    "SCRAM_ITERATIONS",
    "SUPERUSER",
    "TEMPLATE",
    "PostgresServer",
    "start_again",
    "start_postgres",
    "unsafe_settings",
]

TEMPLATE: Final = "testkit_template"
READY: Final = database_name("main")
_SOCKET_BYTES: Final = 100  # sun_path holds 104 bytes on macOS, 108 on Linux

# Nothing here outlives the run, so nothing waits for a disk. UTC and ISO dates are what the journal
# of the isolation writes; autovacuum would open the template while it is being cloned. A session
# that is killed (for want of memory, mostly) empties unlogged tables, the journal among them: the
# server ends then, and the run with it, instead of going on with what nobody can undo.
_SETTINGS: Final = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_prepared_transactions": "20",
    "autovacuum": "off",
    "jit": "off",
    "restart_after_crash": "off",
    "min_wal_size": "2MB",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "1d",
    "max_logical_replication_workers": "0",
    "dynamic_shared_memory_type": "mmap",
    "shared_preload_libraries": "plpgsql",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "listen_addresses": LOOPBACK,
    # CREATE and DROP DATABASE wait for every backend, also for one that is still waiting for a
    # password. A pool of a suspended event loop may have left it there between two tests.
    "authentication_timeout": "5s",
    # Whose statement changed what all databases share (testkit/isolation/statement_log.py).
    "log_statement": "ddl",
    "log_line_prefix": "%m [%p] db=%d ",
}
_LOGGED: Final = {"log_statement", "log_line_prefix"}
SCRAM_ITERATIONS: Final = 16
BUILTIN_LOCALES: Final = 17
# By the version that brought them.
_NEWER_SETTINGS: Final = {
    # The password is 192 random bits: stretching it adds nothing.
    SCRAM_ITERATIONS: {"scram_iterations": "1"},
    18: {"io_method": "sync"},
}
_STRATEGIES: Final = 15  # the version that brought CREATE DATABASE … STRATEGY


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server: where it listens, what it is, why it was chosen.

    ``socket`` is the folder of its Unix socket, or None where there is none that can be used.
    ``template`` is the database that others are copied from, by ``strategy`` (of CREATE DATABASE;
    empty for the server's own choice), and ``ready`` one that has been copied already. ``kept`` is
    None for a server that testkit does not run. On a ``shared`` one other runs work as well: the
    comment on each database that testkit makes there is ``mark``, and ``connections`` how many an
    ordinary role may open to it.
    """

    port: int
    password: str = dataclasses.field(repr=False)
    version: str
    backend: str
    reason: str
    socket: str | None = None
    strategy: str = ""
    kept: KeptServer | None = None
    bin_folder: str | None = None
    host: str = LOOPBACK
    user: str = SUPERUSER
    maintenance: str = "postgres"
    options: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    template: str = TEMPLATE
    ready: str = ""
    shared: bool = False
    mark: str = ""
    connections: int = 0

    def __post_init__(self) -> None:
        """Let tests reach it."""
        provided.add(self.host, self.port)
        if self.socket:
            provided.add(self.socket, self.port)

    @property
    def url(self) -> str:
        """Return the URL of the maintenance database."""
        return self.address(self.maintenance).url()

    @property
    def major(self) -> int:
        """Return the first part of the version."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # every one has it

    @property
    def shell_command(self) -> str:
        """Return the command line of a shell on the server; it asks for the password."""
        place = self.socket or self.host
        program = f"{self.bin_folder}/psql" if self.bin_folder else "psql"
        return shlex.join([program, "-h", place, "-p", str(self.port), "-U", self.user])

    def address(self, database: str) -> Address:
        """Return what an application needs to reach a database."""
        return Address(
            "database", self.host, self.port, self.user, self.password, database, self.options
        )

    def connect(self, database: str | None = None, *, password: str | None = None) -> Connection:
        """Return testkit's own connection, in autocommit mode; to the maintenance database."""
        settings: dict[str, Any] = dict(self.options)
        settings |= {
            "host": self.socket or self.host,
            "port": self.port,
            "user": self.user,
            "dbname": database or self.maintenance,
            "password": password or self.password,
            "application_name": "testkit",
            "connect_timeout": 10,
        }
        if self.bin_folder and self.user == SUPERUSER:
            # Nobody asks whose our statements were, and one of them has a password.
            settings["options"] = "-c log_statement=none"
        connection = psycopg.connect(**settings, autocommit=True)
        if self.shared:
            # Somebody else's server may end sessions that wait: ours wait for tests.
            connection.execute("SET idle_session_timeout = 0")
        return connection

    def create_database(self, name: str, *, connection: Connection | None = None) -> None:
        """Make a database from the template; one of that name is replaced, its sessions ended.

        By way of a connection of its own, or of the one that is given. Raises OSError where the
        server's disk is full.
        """
        try:
            if connection is not None:
                self._create_database(connection, name)
                return
            with self.connect() as own:
                self._create_database(own, name)
        except psycopg.errors.DiskFull as error:
            words = f"{os.strerror(errno.ENOSPC)} ({error.diag.message_primary})"
            raise OSError(errno.ENOSPC, words, "the server's data directory") from error

    def _create_database(self, connection: Connection, name: str) -> None:
        # Before version 15 it always copies files.
        options = (
            [f"STRATEGY {self.strategy}"] if self.strategy and self.major >= _STRATEGIES else []
        )
        if self.connections:
            options.append(f"CONNECTION LIMIT {self.connections}")
        end_prepared(connection, name)
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} {}").format(
                sql.Identifier(name),
                sql.Identifier(self.template),
                sql.SQL(" ".join(options)),
            )
        )
        if self.mark:
            connection.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                    sql.Identifier(name), sql.Literal(self.mark)
                )
            )

    def to_json(self) -> str:
        """Return the facts as text; holds the password."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> PostgresServer:
        """Return the facts that ``to_json`` wrote."""
        facts = json.loads(text)
        facts["options"] = tuple((name, value) for name, value in facts["options"])
        return cls(**facts | {"kept": KeptServer.from_facts(facts["kept"])})


Connection = psycopg.Connection[tuple[Any, ...]]


def start_postgres(
    keeper: PreparedKeeper,
    binaries: Binaries,
    *,
    data: Path,
    directory: Path,
    port: int,
    passwords: tuple[str, str],
    database: str,
    owners: Sequence[ProcessIdentity],
    connections: int,
    in_ram: bool,
    reason: str,
    keep: bool = False,
) -> PostgresServer:
    """Start a server on a copy of a cluster and give it its password.

    ``passwords`` are the cluster's and the one that it gets; ``database`` is one that is there.
    ``directory`` belongs to the server's user; the log and the socket lie there. Both are removed
    when the server ends. With ``keep`` the server shuts down in order and its data stays, unless an
    owner is gone. Raises TK101.
    """
    socket = str(directory)
    # libpq reads a comma as the start of another host.
    if len(f"{socket}/.s.PGSQL.{port}".encode()) > _SOCKET_BYTES or "," in socket:
        socket = ""
    newer = [more for major, more in _NEWER_SETTINGS.items() if binaries.major >= major]
    settings = (
        _SETTINGS
        | dict(pair for more in newer for pair in more.items())
        | {
            "port": str(port),
            "max_connections": str(connections),
            "unix_socket_directories": f'"{socket}"' if socket else "",
            "unix_socket_permissions": "0700",
        }
    )
    options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    command = [binaries.program("postgres"), "-D", str(data), *options]
    kept = keeper.launch(
        "Postgres",
        command,
        directory=directory,
        owners=owners,
        remove=[directory, data],
        stop=signal.SIGINT if keep else signal.SIGQUIT,
        keep=keep,
        user=ordinary_user(),
    )
    wait_until(kept, lambda: _says_ready(data))
    server = PostgresServer(
        port=port,
        password=passwords[1],
        version=binaries.version,
        backend=binaries.road,
        reason=reason,
        socket=socket or None,
        # Files are copied fastest where they lie in RAM; on disk the log is cheaper than the
        # checkpoint that a file copy forces (benchmarks/README.md).
        strategy="FILE_COPY" if in_ram else "WAL_LOG",
        kept=kept,
        bin_folder=str(binaries.folder),
        ready=database if database == READY else "",
    )
    try:
        with server.connect(database, password=passwords[0]) as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(SUPERUSER), sql.Literal(passwords[1])
                )
            )
            version = connection.info.parameter_status("server_version") or binaries.version
    except psycopg.OperationalError as error:
        # It says ready before it has written everything: a full disk shows at the first session.
        problem = not_ready(kept, " ".join(str(error).split()))
        stop_all([kept])
        raise problem from error
    except BaseException:
        stop_all([kept])
        raise
    return dataclasses.replace(server, version=version)


def start_again(server: PostgresServer) -> None:
    """Start a program that was killed again; it recovers what was written down.

    Raises TK101, ProcessLookupError.
    """
    assert server.kept is not None
    data = server.kept.remove[-1]
    # It says "ready" of the one that was killed, whose pid may be anybody's by now.
    (data / "postmaster.pid").unlink(missing_ok=True)
    server.kept.tell("start")
    wait_until(server.kept, lambda: _says_ready(data))


def unsafe_settings(connections: int) -> dict[str, str]:
    """Return what a server of any version in a container is told: nothing waits for a disk.

    Not where it listens, nor what it loads: an image knows that itself.
    """
    own = _SETTINGS.keys() - {"listen_addresses", "shared_preload_libraries"} - _LOGGED
    return {n: v for n, v in _SETTINGS.items() if n in own} | {"max_connections": str(connections)}


def _says_ready(data: Path) -> bool:
    """Ask no client: line 8 of postmaster.pid is the server's own word."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004 - the eighth line
