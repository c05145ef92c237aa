"""Which database a connection of SQLAlchemy leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.isolation.connections import database_name, server_port

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Place", "leads_to"]

_POSTGRES_PORT: Final = 5432

#: A port and the name of a database. Not the host: one has many names, and a socket none.
Place = tuple[int | None, str | None]


def leads_to(connection: Connection, place: Place, *, key: str) -> bool:
    """Return whether the connection leads there; remembered under the key for as long as it is."""
    found = connection.info.get(key)
    if found is None:
        found = connection.info[key] = _place(connection)
    return bool(found == place)


def _place(connection: Connection) -> Place:
    driver = connection.connection.driver_connection
    port, name = server_port(driver), database_name(driver)
    if name is None:
        url = connection.engine.url
        return (url.port or _POSTGRES_PORT, url.database)
    # No driver tells the port of a Unix socket in one way; the engine's URL may.
    return (port or connection.engine.url.port, name)
