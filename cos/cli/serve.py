"""``python -m cos serve``."""

import logging
import signal
import socket
import time
from types import FrameType
from typing import Final

import click
import uvicorn
from fastapi import FastAPI

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


class _Server(uvicorn.Server):
    """Says that it is not ready as soon as it is asked to end, and ends after ``delay`` seconds.

    Meanwhile it answers as before, so that whoever sends it requests can notice. A second signal
    ends the delay.
    """

    def __init__(self, config: uvicorn.Config, app: FastAPI, *, delay: float) -> None:
        super().__init__(config)
        self._app = app
        self._delay = delay
        self._asked: tuple[int, FrameType | None] | None = None
        self._end_at = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal to end."""
        self._app.state.stopping = True
        if self._asked is None and self._delay > 0:
            self._asked = (sig, frame)
            self._end_at = time.monotonic() + self._delay
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, whether it is time to end."""
        if self._asked is not None and not self.should_exit and time.monotonic() >= self._end_at:
            super().handle_exit(*self._asked)
        return await super().on_tick(counter)


def _run(settings: Settings, listeners: list[socket.socket]) -> None:
    app = create_app(settings, background=True)
    config = uvicorn.Config(
        app,
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
        _Server(config, app, delay=settings.shutdown_delay).run(sockets=listeners)
    except KeyboardInterrupt:
        logging.getLogger(__name__).info("Stopped.")
