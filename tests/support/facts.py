"""Facts of a server that tests make up."""

from __future__ import annotations

from typing import Final

from testkit.servers.ownership.verdicts import IN_USE, Server

__all__ = ["SERVER"]

#: A Postgres in use; ``dataclasses.replace`` makes others of it.
SERVER: Final = Server(
    kind="postgres",
    backend="embedded",
    version="18.6",
    reason="a wheel",
    url="postgresql://postgres@127.0.0.1:5432/postgres",
    pid=8,
    container=None,
    owner_pid=7,
    state=IN_USE,
    started="2026-01-01T00:00:00.000+00:00",
    directory="/tmp/testkit-0-abc/postgres",
    run="abc",
    worker="",
    project="/srv/shop",
    started_by="pytest",
)
