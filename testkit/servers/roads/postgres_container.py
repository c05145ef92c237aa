"""The road ``docker`` to Postgres: one container for a run, its data in RAM."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import sql

from testkit.core.messages import TestkitError
from testkit.servers.containers.start import (
    POLL_SECONDS,
    start_container,
    stopped_on_failure,
    wait_for_container,
)
from testkit.servers.postgres import SCRAM_ITERATIONS, PostgresServer, unsafe_settings
from testkit.servers.roads.choice import meets
from testkit.servers.roads.copied import connections_for
from testkit.servers.schema.key import needed_extensions
from testkit.servers.templates.served import served_template

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testkit.core.addresses import Address
    from testkit.servers.containers.images import Image
    from testkit.servers.run import Run

__all__ = ["start_postgres_container"]

_PORT: Final = 5432
_INITDB: Final = "--encoding=UTF8 --locale=C --wal-segsize=1 --no-sync --no-instructions"
_VERIFIED: Final = ("fsync", "synchronous_commit", "full_page_writes", "autovacuum")


def start_postgres_container(run: Run, image: Image, address: Address) -> PostgresServer:
    """Start a container at the address, with the project's template in it.

    Raises TK101, TK102 where an extension is missing, TK107, TK108, TK201 to TK205.
    """
    settings = unsafe_settings(connections_for(run.workers))
    kept = start_container(
        run,
        image,
        "postgres",
        address,
        owners=[run.owner],
        inside=_PORT,
        environment={
            "POSTGRES_USER": address.user,
            "POSTGRES_PASSWORD": address.password,
            "POSTGRES_DB": "postgres",
            "POSTGRES_INITDB_ARGS": _INITDB,
        },
        command=["postgres", *(f"-c{name}={value}" for name, value in settings.items())],
        data=("PGDATA", "/var/lib/postgresql/data"),
    )
    facts: dict[str, Any] = {"version": ""}

    def failure() -> str | None:
        try:
            facts["version"] = _looked_at(address, settings)
        except psycopg.OperationalError as error:
            time.sleep(POLL_SECONDS)
            return str(error)
        return None

    with stopped_on_failure(kept):
        wait_for_container(run, image, kept, failure)
        made = json.loads((kept.directory / "container.json").read_text())
        server = PostgresServer(
            port=address.port,
            password=address.password,
            version=facts["version"],
            backend="docker",
            reason=image.reason(f"data in RAM at {made['data']}"),
            strategy="FILE_COPY",
            kept=kept,
        )
        meets(server, run.settings, needed_extensions(run.settings, run.root))
        return served_template(server, run, words=f"image {image.name}")


def _looked_at(address: Address, settings: Mapping[str, str]) -> str:
    """Return the server's version; raises TK109 where it does not follow its settings.

    Its password is stored again, with one round of hashing: each connection is 10 ms faster.
    """
    with psycopg.connect(
        address.url("libpq"), connect_timeout=5, application_name="testkit", autocommit=True
    ) as connection:
        rows = connection.execute(
            "SELECT name, current_setting(name) FROM unnest(%s::text[]) AS name",
            ([name for name in settings if name in _VERIFIED],),
        ).fetchall()
        version = connection.info.parameter_status("server_version") or ""
        if connection.info.server_version // 10000 >= SCRAM_ITERATIONS:
            connection.execute("SET scram_iterations = 1")
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(address.user), sql.Literal(address.password)
                )
            )
    wrong = [f"{name} = {value}" for name, value in rows if value != settings[name]]
    if wrong:
        raise TestkitError("TK109", settings=", ".join(wrong))
    return version.split()[0]
