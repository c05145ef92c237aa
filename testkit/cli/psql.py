"""``testkit psql``: a shell on the Postgres of a running run, or on what a failed test left."""

from __future__ import annotations

import os

import click

from testkit.cli.child import exit_like, run_child
from testkit.cli.shell import ShellCommand, arguments_of, chosen, psql_program, which_options
from testkit.core.surroundings import libpq_variables
from testkit.servers.shells.target import choose_database, facts_of, psql_variables

__all__ = ["command"]


# What stands behind the test belongs to psql, also where it looks like an option of ours.
@click.command("psql", cls=ShellCommand, context_settings={"allow_interspersed_args": False})
@which_options
@click.option("--kept", is_flag=True, help="List the failed tests of which a database is kept.")
@click.argument("test", nargs=-1, metavar="[NODEID]", type=click.UNPROCESSED)
@click.pass_context
def command(
    ctx: click.Context, *, token: str | None, worker: str | None, kept: bool, test: tuple[str, ...]
) -> None:
    """Open psql on the newest run of this checkout, or on what a failed test left.

    NODEID is the name of a failed test of which a database is kept, or a part of it that no other
    one has. It is restored for the time of the command. ARGS go to psql, whose exit code and
    signals are passed on.
    """
    if (kept or test) and (token or worker or (kept and test)):
        raise click.UsageError("NODEID, --kept, and --run with --worker exclude each other.")
    if kept:
        from testkit.cli.kept import list_kept

        list_kept()
        return
    for name in libpq_variables(os.environ):
        click.echo(f"testkit: seen, not used: {name}", err=True)
        del os.environ[name]
    if test:
        from testkit.cli.kept import open_kept

        open_kept(test[0], [*test[1:], *arguments_of(ctx)])
    server = chosen("postgres", token, worker)
    facts = facts_of(server)
    program = psql_program(facts)
    from testkit.servers.shells.databases import databases_of

    database = choose_database(databases_of(facts, server.run), worker, server)
    variables = os.environ | psql_variables(facts, database)
    exit_like(run_child([program, *arguments_of(ctx)], variables))
