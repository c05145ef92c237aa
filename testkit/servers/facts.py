"""What a run writes beside its servers, for commands that look at it from outside.

``run.json`` says where the run was called and by what; ``redis-<worker>.json`` has the facts of a
Redis, as ``postgres.json`` has those of the Postgres. All are readable for their owner alone: the
servers' passwords stand in them.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Final

from testkit.system.files import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.servers.redis import RedisServer

__all__ = ["POSTGRES", "REDIS", "RUN", "note_redis", "note_run"]

RUN: Final = "run.json"
POSTGRES: Final = "postgres.json"
REDIS: Final = "redis-*.json"


def note_run(place: Path, *, root: Path, started_by: str, directory: Path) -> None:
    """Write into ``place`` (the run's directory, or its data) which run it belongs to, once."""
    file = place / RUN
    if not file.exists():
        facts = {"root": str(root), "started_by": started_by, "directory": str(directory)}
        # Another thread of ours is writing the same.
        with contextlib.suppress(FileExistsError):
            write_private(file, json.dumps(facts))


def note_redis(directory: Path, worker: str, server: RedisServer) -> None:
    """Write the facts of a worker's Redis."""
    write_private(directory / REDIS.replace("*", worker), server.to_json())
