"""``python -m cos demo``."""

from typing import Final

import click

from cos.cli.outcome import configuration
from cos.cli.serve import HOST, PORT, serve
from cos.settings import Settings

__all__ = ["command"]

# Seconds: a module that falls silent is offline before whoever watches has left.
OFFLINE_AFTER: Final = 15.0


@click.command()
@HOST
@PORT
def command(host: str, port: int) -> None:
    """Serve the control center among example modules that live.

    They beat, fall ill and silent, recover, and have new versions: the board at / shows it as it
    happens. They are registered in the database of DATABASE_URL and stay there.
    """
    settings = configuration(Settings)
    if "offline_after" not in settings.model_fields_set:
        settings = settings.model_copy(update={"offline_after": OFFLINE_AFTER})
    serve(settings, host, port, examples=True)
