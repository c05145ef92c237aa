"""The databases that the workers of a run have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg

from testkit.core.naming import NUMBERED, database_name
from testkit.servers.shells.target import psql_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["databases_of"]

_SECONDS = 10


def databases_of(facts: Mapping[str, Any], run: str) -> dict[str, str]:
    """Return the databases of a run on the server of these facts, by the names of its workers."""
    # Where other runs are as well, the name says whose it is.
    prefix = database_name(f"{run}_" if facts.get("shared") else "")
    place = psql_variables(facts, str(facts.get("maintenance") or "postgres"))
    options: dict[str, Any] = dict(facts.get("options") or ())
    options |= {
        "host": place["PGHOST"],
        "port": int(place["PGPORT"]),
        "user": place["PGUSER"],
        "password": place["PGPASSWORD"],
        "dbname": place["PGDATABASE"],
        "connect_timeout": _SECONDS,
    }
    with psycopg.connect(**options) as connection:
        rows = connection.execute(
            "SELECT datname::text FROM pg_database WHERE starts_with(datname, %s)"
            " AND NOT datistemplate AND datname !~ %s ORDER BY 1",
            (prefix, NUMBERED),
        ).fetchall()
    return {name.removeprefix(prefix): name for (name,) in rows}
