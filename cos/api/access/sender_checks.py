"""What a request says of where it goes and where it comes from, judged. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from cos.api.access.authority import LOOPBACK_NAMES, Authority, Origin, normal_host

__all__ = ["SAFE_METHODS", "HostVerdict", "OriginVerdict", "SentFrom", "judge_host", "judge_origin"]

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class HostVerdict(Enum):
    """Whether the name that a request is addressed to is one of this service."""

    OURS = auto()
    MALFORMED = auto()
    FOREIGN = auto()


def judge_host(
    hosts: Sequence[str], *, local_address: str | None, allowed: Collection[str]
) -> HostVerdict:
    """Judge the headers Host of a request.

    A page of somebody else can make its own name mean 127.0.0.1 (DNS rebinding), and its browser
    takes this service for that page's own then. What it cannot change is that the browser sends
    that name as Host. ``local_address`` is the one that the connection came in at.
    """
    authority = Authority.parse(hosts[0]) if len(hosts) == 1 else None
    if authority is None:
        return HostVerdict.MALFORMED
    ours = authority.host in LOOPBACK_NAMES or authority.host in allowed
    if ours or (local_address is not None and authority.host == normal_host(local_address)):
        return HostVerdict.OURS
    return HostVerdict.FOREIGN


class OriginVerdict(Enum):
    """Whether a request may change something, going by the page that sent it."""

    FINE = auto()
    FOREIGN = auto()
    UNSAID = auto()


@dataclass(frozen=True, slots=True)
class SentFrom:
    """What a request says about the page behind it; ``by_cookie``: a browser added the secret."""

    method: str
    origins: Sequence[str]
    fetch_site: str | None
    by_cookie: bool


def judge_origin(sent: SentFrom, *, own: Origin, allowed: Collection[Origin]) -> OriginVerdict:
    """Judge a request to ``own``; programs that are no browsers send no Origin."""
    if sent.method in SAFE_METHODS:
        return OriginVerdict.FINE
    if sent.origins:
        origin = Origin.parse(sent.origins[0]) if len(sent.origins) == 1 else None
        known = origin is not None and (origin == own or origin in allowed)
        return OriginVerdict.FINE if known else OriginVerdict.FOREIGN
    if sent.by_cookie and sent.fetch_site != "same-origin":
        return OriginVerdict.UNSAID
    return OriginVerdict.FINE
