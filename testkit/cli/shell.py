"""What the commands that open a shell on a running server have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import click

from testkit.cli.settings import find_settings
from testkit.core.messages import TestkitError
from testkit.servers.shells.target import choose_server, find_client
from testkit.servers.upkeep.inventory import Places, take_inventory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.servers.ownership.verdicts import Server

__all__ = ["ShellCommand", "arguments_of", "chosen", "psql_program", "which_options"]

_Command = TypeVar("_Command", bound="Callable[..., object]")
_KEY: Final = "testkit.arguments"


class ShellCommand(click.Command):
    """Keeps what stands behind ``--`` for the client program, whatever it looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read what stands before ``--``; anything but options is wrong use there."""
        at = args.index("--") if "--" in args else len(args)
        ctx.meta[_KEY] = args[at + 1 :]
        return super().parse_args(ctx, args[:at])

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """Show in the help what ``parse_args`` takes."""
        return [*super().collect_usage_pieces(ctx), "[-- ARGS…]"]


def which_options(command: _Command) -> _Command:
    """Add the options that say which server is meant."""
    for name, variable, metavar, text in (
        ("--worker", "worker", "NAME", "The worker whose it is: main, gw0, gw1 …"),
        ("--run", "token", "TOKEN", "A run of `testkit ps`, of whichever checkout."),
    ):
        command = click.option(name, variable, metavar=metavar, help=text)(command)
    return command


def arguments_of(ctx: click.Context) -> list[str]:
    """Return what stood behind ``--``."""
    arguments: list[str] = ctx.meta[_KEY]
    return arguments


def chosen(kind: Literal["postgres", "redis"], token: str | None, worker: str | None) -> Server:
    """Return the running server that is meant. Raises TK503 and TK505."""
    settings, root = find_settings(Path.cwd())
    servers = take_inventory(Places.of(settings)).servers
    return choose_server(servers, kind, root=root, token=token, worker=worker)


def psql_program(facts: Mapping[str, Any]) -> str:
    """Return the psql that lies beside the server's programs, or on PATH. Raises TK506."""
    program = find_client(facts, "psql")
    if program is None:
        why = "PostgreSQL's client is not installed, or its folder is not on PATH."
        raise TestkitError("TK506", program="psql", place=facts.get("bin_folder") or "-", why=why)
    return program
