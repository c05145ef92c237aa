"""What a connection of a driver says about itself, behind whatever SQLAlchemy puts around it."""

from __future__ import annotations

from typing import Any

__all__ = ["database_name", "server_port"]


def server_port(connection: Any) -> int | None:
    """Return the server port of a psycopg, psycopg2 or asyncpg connection, None for any other."""
    driver = getattr(connection, "driver_connection", connection)
    info = getattr(driver, "info", None)
    port = getattr(info, "port", None)
    if port is None:
        address = getattr(driver, "_addr", None)  # asyncpg has no public name for it
        port = address[1] if isinstance(address, tuple) else None
    return port if isinstance(port, int) else None


def database_name(connection: Any) -> str | None:
    """Return the database of a psycopg, psycopg2 or asyncpg connection, None for any other."""
    driver = getattr(connection, "driver_connection", connection)
    name = getattr(getattr(driver, "info", None), "dbname", None)
    if name is None:
        name = getattr(getattr(driver, "_params", None), "database", None)  # asyncpg, as above
    return name if isinstance(name, str) else None
