"""Servers that stay between runs: ``testkit up`` starts them, runs of the same checkout use them.

They are found by what they are: the folder of a standing server holds a name that is made of the
checkout and of every setting that decides which server it is. Its owner is whichever of its keepers
lives (see ownership.py).
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import time
from typing import TYPE_CHECKING

import psycopg

from testkit.servers.ownership.marks import DATABASE, marks, sweep_databases
from testkit.servers.ownership.records import STANDING
from testkit.servers.ownership.run_directory import run_directories, sign
from testkit.servers.ownership.workshop import discard
from testkit.servers.postgres import PostgresServer
from testkit.servers.programs.launch import stop_all
from testkit.servers.redis import RedisServer
from testkit.servers.roads.external import sweep_on
from testkit.servers.templates.served import served_template
from testkit.system.files import write_private
from testkit.system.processes import is_alive

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.core.options import Settings
    from testkit.servers.programs.launch import KeptServer
    from testkit.servers.run import Run

__all__ = [
    "Standing",
    "attach_standing",
    "broken_standing",
    "databases_in_use",
    "find_standing",
    "leave_standing",
    "standing_servers",
    "take_down",
]


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """The servers that one ``testkit up`` left; ``since`` is a Unix time.

    ``template`` is the database that the developer's own was copied from, empty where not known.
    """

    key: str
    root: str
    since: float
    directory: Path
    postgres: PostgresServer | None
    redis: RedisServer | None
    template: str = ""

    @property
    def kept(self) -> list[KeptServer]:
        """Return the keepers of those that there are."""
        found = [server.kept for server in (self.postgres, self.redis) if server is not None]
        return [kept for kept in found if kept is not None]

    @property
    def kept_alive(self) -> list[KeptServer]:
        """Return those whose keeper lives, also where the server itself has ended."""
        return [kept for kept in self.kept if is_alive(kept.keeper)]

    @property
    def ended(self) -> dict[str, str]:
        """Return which of the servers have ended, and how."""
        found = {kept.what: kept.has_ended() for kept in self.kept}
        return {what: reason for what, reason in found.items() if reason is not None}


def standing_key(settings: Settings, root: Path) -> str:
    """Return the name of the servers of a checkout under these settings."""
    facts = (
        str(root.resolve()),
        settings.postgres,
        settings.postgres_version,
        settings.postgres_image,
        settings.redis,
        settings.redis_image,
        *sorted(settings.extensions),
    )
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def standing_servers() -> list[Standing]:
    """Return what stands on this machine for this user; oldest first.

    One keeper that lives is enough: the other servers of such a set may have ended.
    """
    found = []
    for directory in run_directories():
        try:
            facts = json.loads((directory / STANDING).read_text())
            postgres = facts["postgres"] and PostgresServer.from_json(facts["postgres"])
            redis = facts["redis"] and RedisServer.from_json(facts["redis"])
            standing = Standing(
                facts["key"],
                facts["root"],
                facts["since"],
                directory,
                postgres,
                redis,
                facts.get("template", ""),
            )
        except (OSError, ValueError, TypeError, KeyError):
            continue  # a run's directory, or another version's
        if standing.kept_alive:
            found.append(standing)
    return sorted(found, key=lambda each: each.since)


def find_standing(settings: Settings, root: Path) -> Standing | None:
    """Return the servers that stand for this checkout and these settings, all alive, or None."""
    return next((each for each in _of_key(settings, root) if not each.ended), None)


def broken_standing(settings: Settings, root: Path) -> list[Standing]:
    """Return those that stand for this checkout and these settings and have lost a server."""
    return [each for each in _of_key(settings, root) if each.ended]


def _of_key(settings: Settings, root: Path) -> list[Standing]:
    key = standing_key(settings, root)
    return [each for each in standing_servers() if each.key == key]


def leave_standing(run: Run, settings: Settings, *, template: str) -> Standing:
    """Let the servers of this run stay, and note for which checkout, settings and template."""
    standing = Standing(
        standing_key(settings, run.root),
        str(run.root),
        time.time(),
        run.directory.path,
        run.postgres,
        run.redis,
        template,
    )
    keepers = {"keepers": [dataclasses.asdict(kept.keeper) for kept in standing.kept]}
    # From now on they belong to their keepers, which live as long as they do.
    for path in run.directory.places():
        write_private(path / STANDING, json.dumps(keepers))
        sign(path, standing.kept[0].keeper)
    facts = keepers | {
        "key": standing.key,
        "root": standing.root,
        "since": standing.since,
        "postgres": run.postgres and run.postgres.to_json(),
        "redis": run.redis and run.redis.to_json(),
        "template": template,
    }
    write_private(run.directory.path / STANDING, json.dumps(facts))
    # Last: what is killed before leaves servers that end with it, none that nobody finds.
    for kept in standing.kept:
        kept.stay()
    return standing


def take_down(standing: Standing) -> None:
    """Stop the servers; their directories go with them, also those of a keeper that was killed."""
    stop_all(standing.kept)
    for kept in standing.kept:
        kept.clear()
    # Last: until then it says what stands there to whoever calls it again.
    with contextlib.suppress(OSError):  # mostly the last keeper has removed it
        discard(standing.directory)


def databases_in_use(standing: Standing) -> list[str]:
    """Return the databases of runs that are at work there; none of a Postgres that is gone."""
    if standing.postgres is None or "Postgres" in standing.ended:
        return []
    with contextlib.suppress(psycopg.Error), standing.postgres.connect() as connection:
        left = sweep_databases(connection, look=True)
        found = marks(connection).items()
        return [n for n, facts in found if facts.get("kind") == DATABASE and n not in left]
    return []


def attach_standing(run: Run, postgres: PostgresServer) -> PostgresServer:
    """Return the Postgres that stands, with the project's template in it. Raises TK201 to TK205."""
    server = dataclasses.replace(
        postgres,
        reason=f"left by `testkit up`: {postgres.reason}",
        shared=True,
        ready="",
    )
    sweep_on(server)
    return served_template(server, run, words="up")
