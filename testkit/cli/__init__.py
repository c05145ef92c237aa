"""The command line: one file per command, loaded when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import click

from testkit.core.messages import TestkitError, missing_extra

__all__ = ["main"]

# Name: module, group and line in the help.
_COMMANDS: Final = {
    "run": ("testkit.cli.run", "servers", "Run a command with its own Postgres and Redis."),
    "up": ("testkit.cli.up", "servers", "Start servers that stay for the next runs."),
    "down": ("testkit.cli.down", "servers", "Stop the servers that `testkit up` left."),
    "ps": ("testkit.cli.ps", "servers", "List what is running, whose, since when."),
    "reap": ("testkit.cli.reap", "servers", "Remove what a dead owner left."),
    "psql": (
        "testkit.cli.psql",
        "servers",
        "Open psql on a running server or a kept database.",
    ),
    "redis-cli": ("testkit.cli.redis_cli", "servers", "Open redis-cli on a running server."),
    "triage": ("testkit.cli.triage", "runs", "Group the failures of a run by cause."),
    "diff": ("testkit.cli.diff", "runs", "Compare two runs: fixed, new, moved, vanished."),
    "history": ("testkit.cli.history", "runs", "Show what many runs tell: flaky, slowest."),
    "polluter": ("testkit.cli.polluter", "runs", "Find which tests make another one fail."),
    "doctor": ("testkit.cli.doctor", "code", "Look for defects of models and tests."),
    "explain": ("testkit.cli.explain", "code", "Print the long text of a message."),
}
_ENVIRONMENT_FAILED: Final = 3
_WRONG_USE: Final = frozenset(
    (
        "TK001",
        "TK002",
        "TK203",
        "TK352",
        "TK353",
        "TK431",
        "TK432",
        "TK501",
        "TK502",
        "TK504",
        "TK505",
        "TK706",
        "TK700",
        "TK701",
        "TK702",
        "TK703",
        "TK704",
        "TK730",
        "TK733",
        "TK734",
        "TK740",
    )
)


class _Commands(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(_COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title in dict.fromkeys(group for _, group, _ in _COMMANDS.values()):
            with formatter.section(title.capitalize()):
                formatter.write_dl(
                    [(name, text) for name, (_, group, text) in _COMMANDS.items() if group == title]
                )


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cos-testkit", prog_name="testkit")
def _group() -> None:
    """Real Postgres and Redis for every test."""


def main() -> None:
    """Run the command line; exits 0, 1, 2 for wrong use, 3 where the environment failed."""
    try:
        _group.main(prog_name="testkit")
    except ModuleNotFoundError as error:
        missing = missing_extra(error.name or "", sys.executable)
        if missing is None:
            raise
        click.echo(str(missing), err=True)
        raise SystemExit(_ENVIRONMENT_FAILED) from None
    except TestkitError as error:
        click.echo(str(error), err=True)
        raise SystemExit(2 if error.code in _WRONG_USE else _ENVIRONMENT_FAILED) from None
