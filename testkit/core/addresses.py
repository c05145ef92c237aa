"""Addresses of a database and a Redis, and the texts that applications want to see them in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from urllib.parse import SplitResult

__all__ = [
    "NOWHERE",
    "SUPERUSER",
    "Address",
    "expand_env",
    "kinds_named",
    "parse_url",
    "without_password",
]

_PLACEHOLDER: Final = re.compile(r"\{(\w+)\.(\w+)(?::(\w+))?\}")
_SCHEMES: Final[dict[str, dict[str | None, str]]] = {
    "database": {
        None: "postgresql+psycopg",
        "psycopg": "postgresql+psycopg",
        "asyncpg": "postgresql+asyncpg",
        "libpq": "postgresql",
    },
    "redis": {None: "redis"},
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens and what to say there; ``kind`` is ``database`` or ``redis``.

    ``options`` are further parameters of the URL, as somebody else's server may want them
    (``sslmode=require``), which may hold a ``sslpassword``; ``tls`` makes a Redis URL begin with
    ``rediss``.
    """

    kind: str
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    name: str
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tls: bool = False

    def url(self, driver: str | None = None) -> str:
        """Return the URL; ``driver`` is None, psycopg, asyncpg or libpq. Raises KeyError else."""
        scheme = _SCHEMES[self.kind][driver] + ("s" if self.tls else "")
        login = quote(self.user, safe="")
        if self.password:
            login += ":" + quote(self.password, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        options = self.options
        if driver == "asyncpg":
            # Its dialect hands them to asyncpg.connect, which has another word and knows no other.
            options = tuple(("ssl", value) for name, value in options if name == "sslmode")
        # libpq does not read a + as a space.
        query = f"?{urlencode(options, quote_via=quote)}" if options else ""
        name = quote(self.name, safe="")
        return f"{scheme}://{login}{'@' if login else ''}{host}:{self.port}/{name}{query}"


#: The role that servers which testkit runs are made with.
SUPERUSER: Final = "postgres"
#: What `env` names while there is no server: nothing listens on port 1.
NOWHERE: Final = {
    "database": Address("database", "127.0.0.1", 1, SUPERUSER, "", "testkit_template"),
    "redis": Address("redis", "127.0.0.1", 1, "", "", "0"),
}


def parse_url(kind: str, text: str) -> Address:
    """Return the address in a URL; raises ValueError, without the text, where it is none.

    ``kind`` is ``database`` (postgresql://…, a driver may stand behind a +) or ``redis``.
    """
    try:
        parts = urlsplit(text)
    except ValueError:  # urllib's words quote the password
        raise ValueError(f"the URL cannot be read; {_ESCAPES}") from None
    scheme = parts.scheme.partition("+")[0]
    if scheme not in _URL_SCHEMES[kind]:
        raise ValueError(f"the URL begins with none of {', '.join(_URL_SCHEMES[kind])}")
    port = _port(parts, _PORTS[kind])
    if "@" in parts.path + parts.query or parts.fragment:
        raise ValueError(f"an @ or # stands behind the URL's host; {_ESCAPES}")
    host = parts.hostname or ""
    if not host or unquote(host).startswith(("/", "@")):
        found = "a Unix socket as its host" if host else "no host"
        raise ValueError(f"the URL names {found}; applications want a TCP address, host:port")
    given = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if twice := ", ".join(sorted(given & _PLACES[kind])):
        raise ValueError(f"the URL's parameters hold {twice}, which belongs before the ?")
    name = unquote(parts.path.removeprefix("/"))
    if kind == "redis" and name and not name.isdecimal():
        raise ValueError("the URL's path is no number of a Redis database")
    return Address(
        kind,
        host,
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        name or _NAMES[kind],
        tuple(parse_qsl(parts.query)),
        tls=scheme == "rediss",
    )


def _port(parts: SplitResult, default: int) -> int:
    try:
        port = default if parts.port is None else parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(f"the URL's port is no number from 1 to 65535; {_ESCAPES}")
    return port


def without_password(text: str) -> str:
    """Return a URL with stars for its password; a text with neither :// nor @ as it is.

    Stars stand for all that may be meant as one: what is between the user's colon and the last @,
    escaped or not; a port that is none; what follows the first parameter named ``…password…``.
    """
    scheme = _SCHEME.match(text)
    shown, done = scheme[0] if scheme else "", 0
    rest = text[len(shown) :]
    for start, end in sorted(_hidden(rest, is_url=scheme is not None)):
        if start > done or not done:
            shown += f"{rest[done:start]}***"
        done = max(done, end)
    return shown + rest[done:]


def _hidden(rest: str, *, is_url: bool) -> Iterator[tuple[int, int]]:
    end = rest.rfind("@")
    start = rest.find(":") + 1 if is_url else 0
    if start < end and (start or not is_url):
        yield start, end
    elif is_url and end < 0 and (no_port := _NO_PORT.match(rest)):
        yield no_port.end(), len(rest)
    for match in _PARAMETER.finditer(rest):
        if "password" in unquote(match[1]).lower():
            yield match.end(), len(rest)


def kinds_named(env: Mapping[str, str]) -> frozenset[str]:
    """Return which of ``database`` and ``redis`` the placeholders of ``env`` need."""
    named = {match[1] for text in env.values() for match in _PLACEHOLDER.finditer(text)}
    return frozenset(named & _SCHEMES.keys())


def expand_env(env: Mapping[str, str], addresses: Mapping[str, Address]) -> dict[str, str]:
    """Replace the placeholders; raises TK002 for one that means nothing."""
    return {name: _expand(name, text, addresses) for name, text in env.items()}


def _expand(variable: str, text: str, addresses: Mapping[str, Address]) -> str:
    def value(match: re.Match[str]) -> str:
        kind, what, driver = match.groups()
        address = addresses.get(kind)
        if address is not None and what == "url" and driver in _SCHEMES[kind]:
            return address.url(driver)
        if address is not None and driver is None and what in _PARTS:
            return str(getattr(address, what))
        raise TestkitError(
            "TK002",
            key=f"env.{variable}",
            value=text,
            source="[tool.testkit] env",
            problem=f"{match[0]} is no placeholder; after 'database.' or 'redis.' comes url or one "
            f"of {', '.join(_PARTS)}, and database.url may name asyncpg or libpq",
        )

    return _PLACEHOLDER.sub(value, text)


_URL_SCHEMES: Final = {"database": ("postgresql", "postgres"), "redis": ("redis", "rediss")}
_PORTS: Final = {"database": 5432, "redis": 6379}
_NAMES: Final = {"database": "postgres", "redis": "0"}
# What SQLAlchemy, libpq, the drivers and redis-py would take from the parameters instead.
_PLACES: Final = {
    "database": {"host", "hostaddr", "port", "user", "password", "dbname", "database"}
    | {"service", "servicefile", "passfile", "conninfo", "dsn"},
    "redis": {"host", "port", "db", "username", "password", "path"},
}
_ESCAPES: Final = "in a user or password / is written %2F, : %3A, ? %3F, # %23, @ %40, [ %5B, ] %5D"
_SCHEME: Final = re.compile(r"\s*[\w+.-]*://")
_PARAMETER: Final = re.compile(r"[?&]([^=&?]*)=")
# A colon with no port behind it: the user's, where an @ is missing or escaped.
_NO_PORT: Final = re.compile(r"(?:\[[^\]]*\]|[^:/?#\[]*):(?![0-9]*(?:[/?#]|$))")
_PARTS: Final = ("host", "port", "user", "password", "name")
