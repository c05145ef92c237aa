"""The credentials in the headers of a request. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

__all__ = ["COOKIE", "SECURE_COOKIE", "Presented", "cookie_name", "presented"]

COOKIE: Final = "cos_board"
# A browser takes this name over https only, without Domain and for Path=/ only: no other host of
# the same domain can set it.
SECURE_COOKIE: Final = f"__Host-{COOKIE}"


@dataclass(frozen=True, slots=True)
class Presented:
    """At most one of them: a bearer token wins over a cookie.

    ``is_malformed``: there is an Authorization header, and it is no single bearer token.
    """

    bearer: str | None = field(default=None, repr=False)
    cookie: str | None = field(default=None, repr=False)
    is_malformed: bool = False


def cookie_name(scheme: str) -> str:
    """Return the name of the session's cookie for requests by ``scheme``."""
    return SECURE_COOKIE if scheme == "https" else COOKIE


def presented(authorization: Sequence[str], cookies: Sequence[str], *, scheme: str) -> Presented:
    """Read the headers Authorization and Cookie."""
    if not authorization:
        return Presented(cookie=_session_cookie(cookies, cookie_name(scheme)))
    kind, _, token = authorization[0].partition(" ")
    token = token.strip(" ")
    # Two headers: a proxy may have judged by the one, and we would by the other.
    if len(authorization) > 1 or kind.lower() != "bearer" or not token:
        return Presented(is_malformed=True)
    return Presented(bearer=token)


def _session_cookie(headers: Sequence[str], name: str) -> str | None:
    pairs = [pair.strip().partition("=") for header in headers for pair in header.split(";")]
    values = [value for found, _, value in pairs if found == name]
    # Whoever can set cookies for this host can add a second one, and the order says nothing.
    return values[0] if len(values) == 1 else None
