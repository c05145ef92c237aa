"""``testkit psql``: a shell on the Postgres of a running run."""

from __future__ import annotations

import os

import click

from testkit.cli.child import exit_like, run_child
from testkit.cli.shell import ShellCommand, arguments_of, chosen, which_options
from testkit.core.messages import TestkitError
from testkit.core.surroundings import libpq_variables
from testkit.servers.shells.target import choose_database, facts_of, find_client, psql_variables

__all__ = ["command"]


@click.command("psql", cls=ShellCommand)
@which_options
@click.pass_context
def command(ctx: click.Context, *, token: str | None, worker: str | None) -> None:
    """Open psql on the newest run of this checkout.

    ARGS go to psql, whose exit code and signals are passed on.
    """
    for name in libpq_variables(os.environ):
        click.echo(f"testkit: seen, not used: {name}", err=True)
        del os.environ[name]
    server = chosen("postgres", token, worker)
    facts = facts_of(server)
    program = find_client(facts, "psql")
    if program is None:
        why = "PostgreSQL's client is not installed, or its folder is not on PATH."
        raise TestkitError("TK506", program="psql", place=facts.get("bin_folder", "-"), why=why)
    from testkit.servers.shells.databases import databases_of

    database = choose_database(databases_of(facts, server.run), worker, server)
    variables = os.environ | psql_variables(facts, database)
    exit_like(run_child([program, *arguments_of(ctx)], variables))
