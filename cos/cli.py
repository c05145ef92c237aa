"""``python -m cos``: serve the control center, migrate its database.

Exit codes: 0 fine, 2 wrong use or configuration, 3 the environment failed.
"""

import errno
import logging
import signal
import socket
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NoReturn

import click
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.util.exc import CommandError
from sqlalchemy.exc import OperationalError

import cos
from cos.api import ROOT
from cos.api.log_lines import log_config
from cos.db.engine import migration_engine
from cos.settings import AnySettings, DatabaseSettings, Settings, SettingsError, load

__all__ = ["main"]

WRONG_USE: Final = 2
ENVIRONMENT_FAILED: Final = 3
GRACE_SECONDS: Final = 10
# A machine without IPv6 still resolves localhost to ::1.
NO_SUCH_ADDRESS: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Serve the control center, or migrate its database.

    DATABASE_URL and REDIS_URL say where its data is.
    """


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65_535),
    help="Port to listen on; 0 takes a free one.",
)
def serve(host: str, port: int) -> None:
    """Serve the control center until SIGTERM or Ctrl-C."""
    settings = _settings(Settings)
    addresses = _addresses(host, port)
    if settings.api_token is None:
        _refuse_other_machines(host, addresses)
    listeners = _listen(addresses, port)
    for listener in listeners:
        click.echo(f"Serving http://{_host_and_port(listener)}{ROOT}", err=True)
    _run(settings, listeners)


@main.command()
def migrate() -> None:
    """Bring the schema of DATABASE_URL up to date; safe to run twice, and twice at once."""
    settings = _settings(DatabaseSettings)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        command.upgrade(_alembic(), "head")
        with migration_engine(settings).connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
    except OperationalError as error:
        _fail(
            ENVIRONMENT_FAILED,
            f"The database {settings.database_address} was not migrated: {error.orig}\n"
            "  Usually: it is not running, the password is wrong, or a session holds a lock.\n"
            "  Run now: python -m cos migrate, when the database answers",
        )
    except CommandError as error:
        _fail(
            ENVIRONMENT_FAILED,
            f"The database {settings.database_address} was not migrated: {error}\n"
            "  Usually: a newer version of the service migrated it.\n"
            "  Run now: python -m cos migrate, from that newer version",
        )
    click.echo(f"The schema of {settings.database_address} is at revision {revision}.")


def _settings(kind: type[AnySettings]) -> AnySettings:
    try:
        return load(kind)
    except SettingsError as error:
        _fail(WRONG_USE, str(error))


def _fail(code: int, message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(code)


def _alembic() -> Config:
    config = Config()
    scripts = Path(cos.__file__).parent / "migrations"
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses that ``host`` means; the ones checked are the ones listened on."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        _fail(
            WRONG_USE,
            f"--host {host} means no address of this machine: {error}\n"
            "  Usually: a typing error, or a name that only another machine knows.\n"
            "  Run now: python -m cos serve --host 127.0.0.1",
        )
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _refuse_other_machines(host: str, addresses: list[tuple[socket.AddressFamily, str]]) -> None:
    reachable = [text for _, text in addresses if not ip_address(text).is_loopback]
    if reachable:
        _fail(
            WRONG_USE,
            f"--host {host} ({', '.join(reachable)}) can be reached from other machines,"
            " and COS_API_TOKEN is not set: anybody there could change and delete modules.\n"
            "  Usually: a container or a server is meant to be reached from outside.\n"
            "  Run now: export COS_API_TOKEN="
            "$(python -c 'import secrets; print(secrets.token_urlsafe(32))')\n"
            "           or listen on this machine only: python -m cos serve",
        )


def _listen(addresses: list[tuple[socket.AddressFamily, str]], port: int) -> list[socket.socket]:
    listeners: list[socket.socket] = []
    for family, address in addresses:
        try:
            listener = socket.create_server((address, port), family=family, backlog=2048)
        except OSError as error:
            is_last_chance = address == addresses[-1][1] and not listeners
            if error.errno in NO_SUCH_ADDRESS and not is_last_chance:
                continue
            _fail(
                ENVIRONMENT_FAILED,
                f"{address} port {port} cannot be listened on: {error.strerror}\n"
                "  Usually: another process, perhaps another control center, listens there.\n"
                "  Run now: python -m cos serve --port 0, which takes a free one",
            )
        listeners.append(listener)
        # With --port 0 all addresses of one name get the port that the first one got.
        port = listener.getsockname()[1]
    return listeners


def _host_and_port(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _run(settings: Settings, listeners: list[socket.socket]) -> None:
    # The door of the process: only the command that serves pays for loading the web framework.
    import uvicorn  # noqa: PLC0415

    from cos.app import create_app  # noqa: PLC0415

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
