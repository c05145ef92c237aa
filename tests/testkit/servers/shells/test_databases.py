"""Which databases of a running server belong to workers that a shell may be opened for."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from testkit.core.naming import database_name, spare_name
from testkit.servers.ownership.marks import drop_database
from testkit.servers.shells.databases import databases_of

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer


def test_a_spare_is_no_workers_database(postgres_server: PostgresServer) -> None:
    worker = f"w{secrets.token_hex(4)}"
    name = database_name(worker)
    spare = spare_name(name, 1)
    with postgres_server.connect() as connection:
        for each in (name, spare):
            postgres_server.create_database(each)
        found = databases_of(json.loads(postgres_server.to_json()), "a run")
        for each in (name, spare):
            drop_database(connection, each)

    assert found[worker] == name
    assert spare not in found.values()
