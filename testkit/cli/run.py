"""``testkit run -- CMD …``: a command with its own Postgres and Redis."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from testkit.cli.child import exit_like, run_child
from testkit.cli.settings import find_settings
from testkit.core.addresses import expand_env, kinds_named
from testkit.core.messages import TestkitError
from testkit.core.surroundings import libpq_variables
from testkit.servers.run import Run
from testkit.servers.templates.place import cache_directory
from testkit.system.processes import identify

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.core.addresses import Address
    from testkit.core.options import Settings

__all__ = [
    "DEFAULT_ENV",
    "PlainTemplate",
    "command",
    "end_like",
    "leave",
    "leave_unused",
    "say",
    "start_servers",
]

DEFAULT_ENV = {"DATABASE_URL": "{database.url}", "REDIS_URL": "{redis.url}"}


# What stands behind the command belongs to it, also where it looks like an option of ours.
@click.command("run", context_settings={"allow_interspersed_args": False})
@click.option("--no-redis", is_flag=True, help="Start no Redis.")
@click.option("--no-postgres", is_flag=True, help="Start no Postgres.")
@click.argument("cmd", nargs=-1, required=True, type=click.UNPROCESSED)
def command(*, no_redis: bool, no_postgres: bool, cmd: tuple[str, ...]) -> None:
    """Start the servers, apply the schema, run CMD, clean up.

    CMD gets the variables of `env` in [tool.testkit], or DATABASE_URL and REDIS_URL. Its exit code
    and signals are passed on. Write -- before it.
    """
    if shutil.which(cmd[0]) is None:  # now, not when the servers are up
        raise TestkitError("TK501", command=cmd[0], reason=_why_not(cmd[0]))
    settings, root = find_settings(Path.cwd())
    leave_unused(settings)
    wanted = {"database": not no_postgres, "redis": not no_redis}
    kinds = {kind for kind, on in wanted.items() if on}

    def work(run: Run) -> int:
        return run_child(cmd, os.environ | start_servers(run, settings, kinds))

    end_like(work, settings, root, started_by="testkit run")


def end_like(
    work: Callable[[Run], int], settings: Settings, root: Path, *, started_by: str
) -> NoReturn:
    """Do some work with a run of one process, and end as it says, as ``run_child`` answers.

    The run is closed before, whatever ends the work.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):  # a stop during start-up cleans up too
        signal.signal(number, leave)
    run = _new_run(settings, root, started_by=started_by)
    try:
        status = work(run)
    except KeyboardInterrupt:
        status = -signal.SIGINT
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave servers
        run.close()
    exit_like(status)


def _why_not(program: str) -> str:
    if not os.path.lexists(program) or "/" not in program:
        return os.strerror(errno.ENOENT)
    return os.strerror(errno.EACCES)


def _new_run(settings: Settings, root: Path, *, started_by: str) -> Run:
    """Return a run of one process, of which nothing is started yet."""
    me = identify(os.getpid())
    assert me is not None
    cache, note = cache_directory(settings)
    if note:
        say(note)
    return Run(
        token=secrets.token_hex(4),
        owner=me,
        me=me,
        worker="main",
        workers=1,
        settings=settings,
        root=root,
        cache=cache,
        finish=PlainTemplate(),
        progress=say,
        started_by=started_by,
    )


def leave_unused(settings: Settings) -> None:
    """Take away what would lead a command to another server, and say what is not used."""
    for name in libpq_variables(os.environ):
        say(f"seen, not used: {name}")
        del os.environ[name]
    for note in settings.unknown_variables:
        say(f"not known, not used: {note}")


def start_servers(run: Run, settings: Settings, wanted: set[str]) -> dict[str, str]:
    """Start what the variables need, and answer them."""
    template = settings.env or DEFAULT_ENV
    template = {k: v for k, v in template.items() if kinds_named({k: v}) <= wanted}
    kinds = kinds_named(template)
    addresses: dict[str, Address] = {}
    if "database" in kinds:
        postgres = run.ensure_database()
        addresses["database"] = postgres.address(run.database)
        say(f"Postgres {postgres.version}, {postgres.backend} ({postgres.reason})")
    if "redis" in kinds:
        redis = run.ensure_redis()
        addresses["redis"] = redis.address
        say(f"{redis.name}, {redis.backend} ({redis.reason})")
    return expand_env(template, addresses)


class PlainTemplate:
    """The template of a command needs no journal: nothing is undone."""

    text = ""

    def install(self, connection: object) -> None:
        """Install nothing."""


def leave(number: int, _frame: object) -> None:
    """End as a shell says it of a command that a signal ended."""
    raise SystemExit(128 + number)


def say(words: str) -> None:
    """Tell a person, on standard error."""
    click.echo(f"testkit: {words}", err=True)
