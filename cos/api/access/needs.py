"""What a request needs to be let in. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cos.api import ROOT
from cos.api.access.authority import LOOPBACK_NAMES, is_loopback
from cos.models.access_scope import AccessScope

__all__ = ["LOGIN", "LOGOUT", "METRICS", "STATIC", "Asked", "needed_scope"]

LOGIN: Final = "/login"
LOGOUT: Final = "/logout"
METRICS: Final = "/metrics"
STATIC: Final = "/static/"
READING: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Asked:
    """The parts of a request that decide.

    ``client`` is the address that it came from, ``host`` the name that it was sent to.
    """

    method: str
    path: str
    client: str | None = None
    host: str | None = None


Exemption = Callable[[Asked], bool]

# Whatever is in no row is closed, also a path that is added later.
OPEN: Final[tuple[Exemption, ...]] = (
    # Whoever restarts a process that is not well has no token.
    lambda asked: asked.path.startswith(f"{ROOT}/health/"),
    # The look of the login; nothing in them is secret.
    lambda asked: asked.path.startswith(STATIC) and asked.method in READING,
    # They look at the credentials themselves.
    lambda asked: asked.path in {LOGIN, LOGOUT},
    # A collector of metrics on the same machine needs no secret for numbers. A proxy on it asks
    # for others, under another name.
    lambda asked: (
        asked.path == METRICS and is_loopback(asked.client) and asked.host in LOOPBACK_NAMES
    ),
)


def needed_scope(asked: Asked) -> AccessScope | None:
    """Return the scope that the request needs; None when it is open to all."""
    if any(exempts(asked) for exempts in OPEN):
        return None
    return AccessScope.READ if asked.method in READING else AccessScope.WRITE
