"""``python -m cos``: one file per command, loaded when it is called.

Exit codes: 0 fine, 1 not done, 2 wrong use or configuration, 3 the environment failed.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Final

import click

__all__ = ["main"]

# A command is a row here (module, line in the help) and a `click.Command` named `command` there.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "serve": ("cos.cli.serve", "Serve the control center until SIGTERM or Ctrl-C."),
    "modules": ("cos.cli.modules", "List, register, show and remove modules."),
    "health": ("cos.cli.health", "Show how the system is, and who is not healthy."),
    "demo": ("cos.cli.demo", "Serve the control center among example modules that live."),
    "migrate": ("cos.cli.migrate", "Bring the schema of DATABASE_URL up to date."),
    "token": ("cos.cli.token", "Create, list and revoke the tokens that open the interface."),
    "events": ("cos.cli.events", "Follow, list and replay the events of the modules."),
    "dlq": ("cos.cli.dlq", "Look into the dead letters, replay them, drop them."),
}


class _Commands(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click's own way would load every command for one line each.
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Serve the control center, migrate its database, look into it.

    DATABASE_URL and REDIS_URL say where its data is.
    """
