"""The servers that testkit provided to this process, and how places of servers are compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.core.options import ALLOWED_HOST

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AllowedHosts", "Place", "Provided", "canonical", "provided"]

# Host and port; the host may be the path of a Unix socket or of its folder. None: any port.
Place = tuple[str, int | None]

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class Provided:
    """The places of servers that tests may always reach. Safe from any thread."""

    def __init__(self) -> None:
        self._places: set[Place] = set()

    def add(self, host: str, port: int | None) -> None:
        """Note a server; ``host`` may be the folder of a Unix socket."""
        self._places.add((canonical(host), port))

    def discard(self, host: str, port: int | None) -> None:
        """Forget a server that is gone: its place may be anybody's now."""
        self._places.discard((canonical(host), port))

    def __contains__(self, place: Place) -> bool:
        return (canonical(place[0]), place[1]) in self._places


class AllowedHosts:
    """What ``allow_hosts`` opens; its entries have passed the check of the configuration."""

    def __init__(self, entries: Iterable[str]) -> None:
        self._places = [_read(entry) for entry in entries]

    def __contains__(self, place: Place) -> bool:
        host, port = canonical(place[0]), place[1]
        return any(
            wanted in (None, port) and (host == name or _is_below(host, name))
            for name, wanted in self._places
        )


def canonical(host: str) -> str:
    """Return the host in the form in which two are compared: one for all names of the loopback."""
    if host.startswith("/"):
        return host.rstrip("/") or "/"
    host = host.strip("[]").rstrip(".").lower()
    return "localhost" if host in _LOOPBACK else host


def _read(entry: str) -> Place:
    match = ALLOWED_HOST.fullmatch(entry)
    assert match is not None
    host = match["socket"] or match["bare"] or match["inner"] or match["name"]
    return canonical(host), int(match["port"]) if match["port"] else None


def _is_below(path: str, folder: str) -> bool:
    return folder.startswith("/") and path.startswith(folder.rstrip("/") + "/")


provided = Provided()
