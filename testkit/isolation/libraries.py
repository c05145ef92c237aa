"""Where each client library opens a connection, and how to read what it was asked for.

A row per library. None is imported here: each function gets the module once somebody has loaded it.
The points are those that every way of connecting passes, also a ``connect`` that was imported by
name before, and that a fake client which opens no connection does not pass.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from testkit.core.provided import Place

__all__ = ["LIBRARIES", "Check", "Undo", "replace_in"]

Undo = Callable[[], None]

_POSTGRES_PORT: Final = 5432


class Check(Protocol):
    """Raises where one of the places is not open to tests."""

    def __call__(self, library: str, places: Sequence[Place], database: object) -> None:
        """``database`` is None where the server's default is asked for."""


def _psycopg(psycopg: Any, check: Check) -> Iterator[Undo]:
    def asking(original: Any) -> Any:
        def parameters(cls: Any, /, *given: Any, **named: Any) -> Any:
            asked = original.__get__(None, cls)(*given, **named)
            if hasattr(asked, "__await__"):
                return when_known(asked)
            check("psycopg", *_libpq(psycopg, asked))
            return asked

        return classmethod(parameters)

    async def when_known(coming: Any) -> Any:
        asked = await coming
        check("psycopg", *_libpq(psycopg, asked))
        return asked

    for kind in (psycopg.Connection, psycopg.AsyncConnection):
        yield replace_in(kind, "_get_connection_params", asking)


def _asyncpg(asyncpg: Any, check: Check) -> Iterator[Undo]:
    def asking(original: Any) -> Any:
        @wraps(original)
        def parse(**given: Any) -> Any:
            answer = original(**given)
            check("asyncpg", _asyncpg_places(answer[0]), answer[1].database)
            return answer

        return parse

    # It knows DSN, keywords, variables, service and password files, and answers every address.
    yield replace_in(asyncpg.connect_utils, "_parse_connect_arguments", asking)


def _redis(redis: Any, check: Check) -> Iterator[Undo]:
    def ask(connection: Any) -> None:
        path = getattr(connection, "path", None)
        place = (path, None) if path else (connection.host, _number(connection.port))
        check("redis-py", [place], connection.db)

    def asking(original: Any) -> Any:
        @wraps(original)
        def connect(self: Any, *given: Any, **named: Any) -> Any:
            ask(self)
            return original(self, *given, **named)

        return connect

    def asking_earlier(original: Any) -> Any:
        @wraps(original)
        def connect(self: Any, *given: Any, **named: Any) -> Any:
            # One that opens its connection in a way of its own may be a fake.
            if not self.is_connected and type(self)._connect in opening:  # noqa: SLF001
                ask(self)
            return original(self, *given, **named)

        return connect

    modules = (redis.connection, redis.asyncio.connection)
    kinds = [kind for m in modules for kind in (m.Connection, m.UnixDomainSocketConnection)]
    for kind in kinds:
        yield replace_in(kind, "_connect", asking)
    opening = [vars(kind)["_connect"] for kind in kinds]
    # Its callers turn whatever _connect raises into an error of theirs, and then try again.
    kind = redis.asyncio.connection.AbstractConnection
    name = "connect_check_health" if "connect_check_health" in vars(kind) else "connect"
    yield replace_in(kind, name, asking_earlier)


def _sqlalchemy(sqlalchemy: Any, check: Check) -> Iterator[Undo]:
    def asking(dialect: Any, _record: object, given: list[Any], named: dict[str, Any]) -> None:
        if dialect.driver in {"psycopg", "psycopg_async", "asyncpg"}:
            return  # they are asked themselves, and read their own parameters best
        # Nobody need have loaded psycopg, which reads psycopg2's parameters as libpq would.
        psycopg = sys.modules.get("psycopg")
        if dialect.driver.startswith("psycopg2") and psycopg is not None:
            dsn = given[0] if given else named.get("dsn", "")
            asked = psycopg.conninfo.conninfo_to_dict(dsn, **{**named, "dsn": None})
            check(f"SQLAlchemy ({dialect.driver})", *_libpq(psycopg, asked))
            return
        socket = named.get("unix_sock") or named.get("unix_socket")
        default = "localhost" if dialect.name == "postgresql" else None
        host = socket or named.get("host") or default
        if host is None:
            return  # a file, or what no address leads to
        port = named.get("port") or (_POSTGRES_PORT if default else None)
        database = named.get("database") or named.get("dbname") or named.get("db")
        place = _socket(str(socket)) if socket else (str(host), _number(port))
        check(f"SQLAlchemy ({dialect.driver})", [place], database)

    sqlalchemy.event.listen(sqlalchemy.Engine, "do_connect", asking)
    yield lambda: sqlalchemy.event.remove(sqlalchemy.Engine, "do_connect", asking)


LIBRARIES: Final[Mapping[str, Callable[[Any, Check], Iterator[Undo]]]] = {
    "asyncpg": _asyncpg,
    "psycopg": _psycopg,
    "redis": _redis,
    "sqlalchemy": _sqlalchemy,
}


def replace_in(owner: Any, name: str, replacing: Callable[[Any], Any]) -> Undo:
    """Put what ``replacing`` makes of an attribute in its place, until the undo is called."""
    original = vars(owner)[name]
    ours = replacing(original)
    setattr(owner, name, ours)

    def undo() -> None:
        # Somebody may have replaced it again; then ours only passes on.
        if vars(owner).get(name) is ours:
            setattr(owner, name, original)

    return undo


def _libpq(psycopg: Any, asked: Mapping[str, Any]) -> tuple[list[Place], str | None]:
    """Return the places and the database that libpq would take for these parameters."""
    given = {key: str(value) for key, value in asked.items() if value not in (None, "")}
    if "service" in given:
        given = _service(given["service"], given.get("servicefile")) | given
    complete = {"host", "hostaddr"} & given.keys() and "port" in given
    # An address from there goes before a host that was named.
    if not complete or any(name in os.environ for name in ("PGHOSTADDR", "PGSERVICE")):
        defaults = psycopg.pq.Conninfo.get_defaults()
        given = {o.keyword.decode(): o.val.decode() for o in defaults if o.val} | given
    # Without a host it is the default socket of this machine.
    hosts = given.get("host", "").split(",")
    addresses = given.get("hostaddr", "").split(",")
    ports = given.get("port", "").split(",")
    places: list[Place] = []
    for number in range(max(len(hosts), len(addresses))):
        host = _nth(addresses, number) or _nth(hosts, number) or "localhost"
        port = ports[0] if len(ports) == 1 else _nth(ports, number)
        places.append((host, int(port or _POSTGRES_PORT)))
    return places, given.get("dbname")


def _number(port: object) -> int | None:
    """Return a port; None for what is none, at which the library itself will stumble."""
    text = str(port)
    return int(text) if text.isdecimal() else None


def _nth(values: list[str], number: int) -> str:
    return values[number].strip() if number < len(values) else ""


def _service(name: str, file: str | None) -> dict[str, str]:
    """Return what a service file says, read as libpq reads it.

    A service that is in no file which we know may lead anywhere: its name stands for the host.
    """
    own = file or os.environ.get("PGSERVICEFILE") or "~/.pg_service.conf"
    system = os.environ.get("PGSYSCONFDIR") or "/etc/postgresql-common"
    for path in (Path(own).expanduser(), Path(system, "pg_service.conf")):
        try:
            lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
        except (OSError, UnicodeDecodeError):
            continue
        if f"[{name}]" in lines:
            start = lines.index(f"[{name}]") + 1
            end = next((n for n, x in enumerate(lines) if n >= start and x[:1] == "["), len(lines))
            pairs = (line.split("=", 1) for line in lines[start:end] if line[:1] not in {"", "#"})
            return {key.strip(): value.strip() for key, value in (p for p in pairs if len(p) > 1)}
    return {"host": f"service={name}"}


def _asyncpg_places(addresses: Sequence[Any]) -> list[Place]:
    sockets = [_socket(address) for address in addresses if isinstance(address, str)]
    tcp = [address for address in addresses if not isinstance(address, str)]
    if {"/run/postgresql", "/tmp"} <= {folder for folder, _ in sockets}:  # noqa: S108 - its guesses
        return tcp  # no host was named: its last guess, localhost, stands for this machine
    return sockets + tcp


def _socket(path: str) -> Place:
    """Return folder and port of a Postgres socket; the path of any other one."""
    folder, found, port = path.rpartition("/.s.PGSQL.")
    return (folder, int(port)) if found and port.isdigit() else (path, None)
