"""``python -m cos serve``."""

import logging
import signal
import socket
import time
from logging.config import dictConfig
from types import FrameType
from typing import Any, Final

import click
import uvicorn
from fastapi import FastAPI
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError

from cos.api import ROOT
from cos.api.log_lines import log_config, written
from cos.app import create_app
from cos.cli.database import committed, telling_failures
from cos.cli.listening import Address, addresses_of, host_and_port, listen, reachable_by_others
from cos.cli.outcome import WRONG_USE, configuration, fail
from cos.cli.workers import supervise
from cos.services.access import tokens
from cos.settings import Settings

__all__ = ["HOST", "PORT", "command", "serve"]

LOGGER: Final = logging.getLogger(__name__)
GRACE_SECONDS: Final = 10
# How long the start may wait for a database that does not answer.
PATIENCE: Final = {"connect_timeout": 2, "statement_timeout": 2.0}

NEEDED: Final = "access tokens needed"
OPEN: Final = "open to this machine: no access token was ever created"
UNKNOWN: Final = "the database does not say yet whether access tokens are needed"


HOST: Final = click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
)
PORT: Final = click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 takes a free one.",
)


@click.command()
@HOST
@PORT
@click.option(
    "--workers",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Processes that serve; each has connections of its own.",
)
def command(host: str, port: int, workers: int) -> None:
    """Serve the control center until SIGTERM or Ctrl-C."""
    serve(configuration(Settings), host, port, workers=workers)


def serve(
    settings: Settings, host: str, port: int, *, workers: int = 1, examples: bool = False
) -> None:
    """Serve until a signal ends it; with ``examples`` among example modules that live."""
    addresses = addresses_of(host, port)
    access = _access(settings, host, addresses)
    for listener in (listeners := listen(addresses, port)):
        where = f"http://{host_and_port(listener)}"
        for line in (f"Serving {where}{ROOT} ({access})", f"The board is at {where}/"):
            click.echo(written(LOGGER, line) if settings.log_format == "json" else line, err=True)
    if workers == 1:
        _run(settings, listeners, examples)
    else:
        dictConfig(_log_config(settings))
        supervise(workers, _run, settings, listeners, examples)


def _access(settings: Settings, host: str, addresses: list[Address]) -> str:
    """Return what requests need, for the line of the start; refuse what nothing would guard."""
    if settings.api_token is not None:
        return NEEDED
    if reachable := reachable_by_others(addresses):
        _refuse_without_token(settings, host, reachable)
        return NEEDED
    try:
        impatient = settings.model_copy(update=PATIENCE)
        return NEEDED if committed(impatient, tokens.was_ever_created) else OPEN
    except (OperationalError, InterfaceError, ProgrammingError):
        # On this machine it starts all the same; requests are told what is wrong.
        return UNKNOWN


def _refuse_without_token(settings: Settings, host: str, reachable: list[str]) -> None:
    with telling_failures(settings, "could not be asked for an access token"):
        if committed(settings, tokens.is_any_good):
            return
    fail(
        WRONG_USE,
        f"--host {host} ({', '.join(reachable)}) can be reached from other machines, and there is"
        " no access token: COS_API_TOKEN is not set, and none that is still good was created."
        " Anybody there could change and delete modules.\n"
        "  Usually: a container or a server is meant to be reached from outside.\n"
        "  Run now: python -m cos token create NAME\n"
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
            self._end(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, whether it is time to end."""
        if self._asked is not None and not self.should_exit and time.monotonic() >= self._end_at:
            self._end(*self._asked)
        return await super().on_tick(counter)

    def _end(self, sig: int, frame: FrameType | None) -> None:
        # An open page, whose answer has no end, would take all of `GRACE_SECONDS`. Before the
        # lifespan was entered there are none.
        if resources := getattr(self._app.state, "resources", None):
            resources.pages.close()
        super().handle_exit(sig, frame)


def _log_config(settings: Settings) -> dict[str, Any]:
    return log_config(settings.log_level, log_format=settings.log_format, hidden=settings.secrets)


def _run(settings: Settings, listeners: list[socket.socket], examples: bool) -> None:  # noqa: FBT001 - pickled as it is
    app = create_app(settings, background=True, examples=examples)
    config = uvicorn.Config(
        app,
        lifespan="on",
        loop="asyncio",
        http="h11",
        ws="none",
        log_config=_log_config(settings),
        # The application logs its requests itself: without queries, and with their ids.
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    # uvicorn stops gracefully and then raises the signal again; being asked to stop is no failure.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _Server(config, app, delay=settings.shutdown_delay).run(sockets=listeners)
    except KeyboardInterrupt:
        LOGGER.info("Stopped.")
