"""Variables of the surroundings that would change where, or how, a test connects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["libpq_variables", "server_variables"]

# What libpq reads for a connection (PostgreSQL 18 documentation, "Environment Variables"). PGDATA
# and PGPORT of a server's own start are not among them, but PGPORT is read by clients too.
_LIBPQ: Final = frozenset(
    "PG" + name
    for name in [
        "HOST",
        "HOSTADDR",
        "PORT",
        "DATABASE",
        "USER",
        "PASSWORD",
        "PASSFILE",
        "REQUIREAUTH",
        "CHANNELBINDING",
        "SERVICE",
        "SERVICEFILE",
        "OPTIONS",
        "APPNAME",
        "SSLMODE",
        "REQUIRESSL",
        "SSLNEGOTIATION",
        "SSLCOMPRESSION",
        "SSLCERT",
        "SSLKEY",
        "SSLCERTMODE",
        "SSLROOTCERT",
        "SSLCRL",
        "SSLCRLDIR",
        "SSLSNI",
        "REQUIREPEER",
        "SSLMINPROTOCOLVERSION",
        "SSLMAXPROTOCOLVERSION",
        "GSSENCMODE",
        "KRBSRVNAME",
        "GSSLIB",
        "GSSDELEGATION",
        "CONNECT_TIMEOUT",
        "CLIENTENCODING",
        "TARGETSESSIONATTRS",
        "LOADBALANCEHOSTS",
        "MINPROTOCOLVERSION",
        "MAXPROTOCOLVERSION",
        "DATESTYLE",
        "TZ",
        "GEQO",
        "SYSCONFDIR",
        "LOCALEDIR",
    ]
)

# By which applications name a server, as a rule.
_URLS: Final = frozenset({"DATABASE_URL", "REDIS_URL"})


def server_variables(names: Iterable[str]) -> tuple[str, ...]:
    """Return those that name a server, in which testkit takes no interest, sorted."""
    return tuple(sorted((_LIBPQ | _URLS).intersection(names)))


def libpq_variables(names: Iterable[str]) -> tuple[str, ...]:
    """Return those that every Postgres client on libpq would obey, sorted."""
    return tuple(sorted(_LIBPQ.intersection(names)))
