"""A run of testkit's servers in this process, as the plugin makes it."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

from testkit.isolation.template import JournalTemplate
from testkit.servers.run import Run
from testkit.servers.templates.place import cache_directory
from testkit.system.processes import identify

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.core.options import Settings
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.programs.launch import KeptServer
    from testkit.servers.redis import RedisServer

__all__ = ["kept_of", "new_run"]


def kept_of(server: PostgresServer | RedisServer) -> KeptServer:
    """Return the keeper and the directory of a server that testkit runs."""
    assert server.kept is not None
    return server.kept


def new_run(
    root: Path,
    settings: Settings,
    *,
    cache: Path | None = None,
    worker: str = "main",
    token: str = "",
) -> Run:
    """Return a run that has started nothing; close it."""
    me = identify(os.getpid())
    assert me is not None
    return Run(
        token=token or secrets.token_hex(4),
        owner=me,
        me=me,
        worker=worker,
        workers=1,
        settings=settings,
        root=root,
        cache=cache or cache_directory(settings)[0],
        finish=JournalTemplate(),
        progress=print,
    )
