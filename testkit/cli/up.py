"""``testkit up``: servers that stay for the next runs of this checkout."""

from __future__ import annotations

import dataclasses
import os
import secrets
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from testkit.cli.run import DEFAULT_ENV, PlainTemplate, leave, say
from testkit.cli.settings import find_settings
from testkit.core.addresses import expand_env, kinds_named
from testkit.core.messages import TestkitError
from testkit.core.naming import database_name
from testkit.core.surroundings import libpq_variables
from testkit.servers.roads.standing import (
    broken_standing,
    find_standing,
    leave_standing,
    take_down,
)
from testkit.servers.run import Run
from testkit.servers.templates.place import cache_directory
from testkit.servers.templates.served import served_template, template_name
from testkit.system.files import locked, private_directory
from testkit.system.processes import identify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from testkit.core.addresses import Address
    from testkit.core.options import Settings
    from testkit.servers.roads.standing import Standing

__all__ = ["command"]

_WORDS = "up"  # what sets the templates of standing servers apart
_RUNS = 8  # at the same time, each with some workers


@click.command("up")
@click.option("--no-redis", is_flag=True, help="Start no Redis.")
@click.option("--no-postgres", is_flag=True, help="Start no Postgres.")
def command(*, no_redis: bool, no_postgres: bool) -> None:
    """Start servers that stay, for the next runs of this checkout.

    Prints the variables of `env` in [tool.testkit], or DATABASE_URL and REDIS_URL, for a database
    of your own with the schema applied: export $(testkit up). They hold passwords. Ends with
    `testkit down`.
    """
    wanted = {"Postgres": not no_postgres, "Redis": not no_redis}
    if not any(wanted.values()):
        say("with --no-postgres and --no-redis there is nothing to start")
        raise SystemExit(2)  # wrong use
    settings, root = find_settings(Path.cwd())
    for key in ("postgres", "redis"):
        if "://" in getattr(settings, key):
            raise TestkitError("TK504", key=key, root=root)
    for name in libpq_variables(os.environ):
        del os.environ[name]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)
    cache, _ = cache_directory(settings)
    waiting = lambda: say("waiting for another `testkit up`")  # noqa: E731
    with locked(private_directory(cache / "up") / "lock", waiting=waiting):
        for broken in broken_standing(settings, root):
            _take_down(broken)
        run = _run(settings, root, cache)
        standing = find_standing(settings, root)
        if standing is None:
            standing = _started(run, settings, wanted)
        else:
            say("already up")
            _tell_differences(run, standing, {what for what, on in wanted.items() if on})
    for name, value in _variables(settings, standing).items():
        click.echo(f"{name}={value}")


def _take_down(broken: Standing) -> None:
    ended = ", ".join(f"{what} ({reason})" for what, reason in broken.ended.items())
    say(f"what was up has lost {ended}: the rest is stopped, its data is gone, and all starts anew")
    take_down(broken)


def _tell_differences(run: Run, standing: Standing, wanted: set[str]) -> None:
    """Say what is not as it would be had it been started now; nothing that stands is changed."""
    for what in sorted(wanted - {kept.what for kept in standing.kept}):
        say(f"no {what} among it: `testkit down`, then `testkit up` starts both")
    if standing.postgres is None or not standing.template:
        return
    try:
        now = template_name(standing.postgres, run, words=_WORDS)
    except TestkitError as error:
        say(f"whether the schema has changed since cannot be told: {error.code}")
        return
    if now != standing.template:
        say(
            "the schema has changed since; your database keeps the old one, with your data: "
            "`testkit down`, then `testkit up` makes it anew, empty"
        )


def _run(settings: Settings, root: Path, cache: Path) -> Run:
    me = identify(os.getpid())
    assert me is not None
    return Run(
        token=secrets.token_hex(4),
        owner=me,
        me=me,
        worker="main",
        workers=_RUNS,
        settings=settings,
        root=root,
        cache=cache,
        finish=PlainTemplate(),
        progress=say,
        started_by="testkit up",
    )


def _started(run: Run, settings: Settings, wanted: Mapping[str, bool]) -> Standing:
    template = ""
    try:
        if wanted["Postgres"]:
            # The schema is made in the running server, as the runs will do.
            run.settings = dataclasses.replace(settings, schema=None, baseline=None)
            server = run.ensure_postgres()
            say(f"Postgres {server.version}, {server.backend} ({server.reason})")
            run.settings = settings
            filled = served_template(server, run, words=_WORDS)
            filled.create_database(database_name("main"))
            template = filled.template
        if wanted["Redis"]:
            cache_server = run.ensure_redis()
            say(f"{cache_server.name}, {cache_server.backend} ({cache_server.reason})")
        return leave_standing(run, settings, template=template)
    except BaseException:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        run.close()
        raise


def _variables(settings: Settings, standing: Standing) -> dict[str, str]:
    addresses: dict[str, Address] = {}
    if standing.postgres is not None:
        addresses["database"] = standing.postgres.address(database_name("main"))
    if standing.redis is not None:
        addresses["redis"] = standing.redis.address
    wanted = settings.env or DEFAULT_ENV
    return expand_env(
        {n: v for n, v in wanted.items() if kinds_named({n: v}) <= addresses.keys()}, addresses
    )
