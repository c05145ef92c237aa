"""The sockets that ``serve`` listens on."""

import errno
import socket
from ipaddress import ip_address
from typing import Final

from cos.cli.outcome import ENVIRONMENT_FAILED, WRONG_USE, fail

__all__ = ["Address", "addresses_of", "host_and_port", "listen", "reachable_by_others"]

Address = tuple[socket.AddressFamily, str]

# A machine without IPv6 still resolves localhost to ::1.
NO_SUCH_ADDRESS: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def addresses_of(host: str, port: int) -> list[Address]:
    """Return the addresses that ``host`` means; the ones checked are the ones listened on."""
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        fail(
            WRONG_USE,
            f"--host {host} means no address of this machine: {error}\n"
            "  Usually: a typing error, or a name that only another machine knows.\n"
            "  Run now: python -m cos serve --host 127.0.0.1",
        )
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def reachable_by_others(addresses: list[Address]) -> list[str]:
    """Return the addresses that are not those of this machine alone."""
    return [text for _, text in addresses if not ip_address(text).is_loopback]


def listen(addresses: list[Address], port: int) -> list[socket.socket]:
    """Return a listening socket for each address; end the command when there can be none."""
    listeners: list[socket.socket] = []
    for family, address in addresses:
        try:
            listener = socket.create_server((address, port), family=family, backlog=2048)
        except OSError as error:
            is_last_chance = address == addresses[-1][1] and not listeners
            if error.errno in NO_SUCH_ADDRESS and not is_last_chance:
                continue
            fail(
                ENVIRONMENT_FAILED,
                f"{address} port {port} cannot be listened on: {error.strerror}\n"
                "  Usually: another process, perhaps another control center, listens there.\n"
                "  Run now: python -m cos serve --port 0, which takes a free one",
            )
        # asyncio does it for sockets that it opens itself. Without it a client that keeps its
        # connection waits 40 ms for the body of each answer, which follows the head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listeners.append(listener)
        # With --port 0 all addresses of one name get the port that the first one got.
        port = listener.getsockname()[1]
    return listeners


def host_and_port(listener: socket.socket) -> str:
    """Return where ``listener`` listens, as a URL writes it."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
