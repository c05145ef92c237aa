"""``python -m cos serve``."""

import logging
import signal
import socket
from typing import Final

import click
import uvicorn

from cos.api import ROOT
from cos.api.log_lines import log_config
from cos.app import create_app
from cos.cli.listening import Address, addresses_of, host_and_port, listen, reachable_by_others
from cos.cli.outcome import WRONG_USE, configuration, fail
from cos.settings import Settings

__all__ = ["command"]

GRACE_SECONDS: Final = 10


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 takes a free one.",
)
def command(host: str, port: int) -> None:
    """Serve the control center until SIGTERM or Ctrl-C."""
    settings = configuration(Settings)
    addresses = addresses_of(host, port)
    if settings.api_token is None:
        _refuse_other_machines(host, addresses)
    listeners = listen(addresses, port)
    for listener in listeners:
        click.echo(f"Serving http://{host_and_port(listener)}{ROOT}", err=True)
    _run(settings, listeners)


def _refuse_other_machines(host: str, addresses: list[Address]) -> None:
    reachable = reachable_by_others(addresses)
    if reachable:
        fail(
            WRONG_USE,
            f"--host {host} ({', '.join(reachable)}) can be reached from other machines,"
            " and COS_API_TOKEN is not set: anybody there could change and delete modules.\n"
            "  Usually: a container or a server is meant to be reached from outside.\n"
            "  Run now: export COS_API_TOKEN="
            "$(python -c 'import secrets; print(secrets.token_urlsafe(32))')\n"
            "           or listen on this machine only: python -m cos serve",
        )


def _run(settings: Settings, listeners: list[socket.socket]) -> None:
    config = uvicorn.Config(
        create_app(settings, background=True),
        lifespan="on",
        loop="asyncio",
        ws="none",
        log_config=log_config(settings.log_level),
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # uvicorn stops gracefully and then raises the signal again; being asked to stop is no failure.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        uvicorn.Server(config).run(sockets=listeners)
    except KeyboardInterrupt:
        logging.getLogger(__name__).info("Stopped.")
