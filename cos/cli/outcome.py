"""How a command ends when it cannot go on: an exit code and a message on standard error."""

import sys
from typing import Final, NoReturn

import click

from cos.settings import AnySettings, SettingsError, load

__all__ = ["ENVIRONMENT_FAILED", "NOT_DONE", "WRONG_USE", "configuration", "fail"]

NOT_DONE: Final = 1
WRONG_USE: Final = 2
ENVIRONMENT_FAILED: Final = 3


def configuration(kind: type[AnySettings]) -> AnySettings:
    """Return the settings of the environment, or end the command with what is wrong with them."""
    try:
        return load(kind)
    except SettingsError as error:
        fail(WRONG_USE, str(error))


def fail(code: int, message: str) -> NoReturn:
    """End the command. ``message``: what happened, ``Usually: …`` and ``Run now: …``."""
    click.echo(message, err=True)
    sys.exit(code)
