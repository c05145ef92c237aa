"""Rules about services: what does not answer, and what refuses to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.triage.rule import Found, Rule, found, says

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said

__all__ = ["RULES"]

_REFUSED: Final = re.compile(
    r"[Cc]onnection refused|Connect call failed|No connection could be made|ECONNREFUSED"
    r"|Connection reset by peer while connecting"
)
_ADDRESS: Final = re.compile(
    r"connection to server at \"(?P<a>[^\"]+)\"(?: \([^)]*\))?, port (?P<ap>\d+)"
    r"|connect(?:ing)? to (?P<b>[\w.-]+):(?P<bp>\d+)"
    r"|Connect call failed \('(?P<c>[^']+)', (?P<cp>\d+)"
    r"|host='(?P<d>[^']+)', port=(?P<dp>\d+)"
    r"|from (?P<e>[\w.-]+):(?P<ep>\d+)"
    r"|\b(?P<f>localhost|\d{1,3}(?:\.\d{1,3}){3}):(?P<fp>\d{2,5})"
)
_DNS: Final = re.compile(
    r"could not translate host name \"(?P<a>[^\"]+)\"|Failed to resolve '(?P<b>[^']+)'"
    r"|connecting to (?P<c>[\w.-]+):\d+"
)
_UNRESOLVED: Final = re.compile(
    r"Name or service not known|nodename nor servname|could not translate host name"
    r"|Temporary failure in name resolution|Failed to resolve|No address associated with hostname"
)
_TIMEOUT: Final = re.compile(r"timed out|[Tt]imeout|timeout expired")
_TIMEOUTS: Final = frozenset(
    (
        "TimeoutError",
        "ConnectTimeout",
        "ReadTimeout",
        "WriteTimeout",
        "PoolTimeout",
        "timeout",
        "ConnectionTimeout",
        "ReadTimeoutError",
        "ConnectTimeoutError",
        "OperationalError",
        "ConnectionError",
        "CancelledError",
        "QueryCanceledError",
    )
)
_DOCKER: Final = re.compile(
    r"Cannot connect to the Docker daemon|Error while fetching server API version"
    r"|docker(?:\.sock)?[^\n]*(?:No such file|Permission denied|not running)|DockerException"
)


def _told(facts: Facts, said: Said) -> str:
    """Return host:port, from what was said or from an exception around it."""
    for text in (said.text, *(raised.message for raised in facts.failure.chain)):
        hit = _ADDRESS.search(text[:2000])
        if hit:
            parts = [part for part in hit.groups() if part]
            return f"{'localhost' if parts[0] in {'127.0.0.1', '::1'} else parts[0]}:{parts[1]}"
    return ""


def _client(facts: Facts) -> str:
    for raised in facts.failure.chain:
        module = raised.type.partition(".")[0]
        if module in {"redis", "psycopg", "asyncpg", "httpx", "requests", "psycopg2", "kombu"}:
            return module
        for frame in reversed(raised.frames):
            if frame.owner == "library" and (
                hit := re.search(r"/(redis|psycopg2?|asyncpg|httpx|requests|aiohttp)/", frame.path)
            ):
                return hit[1]
    return ""


def _refused(facts: Facts, said: Said) -> Found | None:
    if not _REFUSED.search(said.text) and said.type != "ConnectionRefusedError":
        return None
    address = _told(facts, said)
    if address:
        return found(address, where=address)
    # Nothing tells the address: the module that connects stands for it.
    file = facts.project.path if facts.project else ""
    return found("", file, where=f"the address that {file or 'a client'} connects to")


def _unresolved(facts: Facts, said: Said) -> Found | None:
    if not _UNRESOLVED.search(said.text) and said.type != "gaierror":
        return None
    for text in (said.text, *(raised.message for raised in facts.failure.chain)):
        hit = _DNS.search(text[:2000])
        if hit:
            name = hit["a"] or hit["b"] or hit["c"]
            return found(name, name=name)
    return found("", name="a host name")


def _timeout(facts: Facts, said: Said) -> Found | None:
    if said.type not in _TIMEOUTS or "from pytest-timeout" in said.text:
        return None
    named = said.type not in {"OperationalError", "ConnectionError", "CancelledError"}
    if not named and not _TIMEOUT.search(said.text):
        return None
    address = _told(facts, said)
    client = _client(facts)
    if not address and not client:
        where = facts.place or facts.base
        return found("", where, what=where)
    return found(address or client, what=address or client)


def _docker(_: Facts, said: Said) -> Found | None:
    return found("docker") if said.type == "DockerException" or _DOCKER.search(said.text) else None


def _closed(facts: Facts, said: Said) -> Found | None:
    if not _CLOSED.search(said.text) and said.type not in _CLOSINGS:
        return None
    who = _told(facts, said) or _client(facts)
    return found(who, what=who or "a server")


_CLOSED: Final = re.compile(
    r"server closed the connection unexpectedly|terminating connection|Connection reset by peer"
    r"|connection was closed in the middle|Connection closed by server|Broken pipe"
    r"|the connection is (?:closed|lost)|Server disconnected|the database system is (?:starting|shut)"
)
_CLOSINGS: Final = frozenset(
    ("AdminShutdown", "BrokenPipeError", "ConnectionDoesNotExistError", "ConnectionResetError")
)


RULES: Final = (
    Rule(
        "docker-missing",
        "Docker does not answer",
        "The daemon does not run, or this user may not use its socket.",
        'Start it, or use servers without Docker (`postgres = "embedded"`).',
        _docker,
        cues=("ocker", "server API version"),
    ),
    Rule(
        "service-refused",
        "Nothing listens on {where}",
        "The server is not started, or the address is that of another machine or port.",
        "Start it, or let testkit give the address (`env` in `[tool.testkit]`).",
        _refused,
        cues=("refused", "Connect call failed", "No connection", "ECONNREFUSED", "reset by peer"),
    ),
    Rule(
        "host-unknown",
        "The host {name} cannot be resolved",
        "The name exists only in another network, such as that of docker compose.",
        "Use an address that this machine knows; testkit gives one (`env`).",
        _unresolved,
        cues=(
            "Name or service",
            "nodename",
            "translate host",
            "name resolution",
            "resolve",
            "hostname",
        ),
    ),
    Rule(
        "password-refused",
        "The server refuses the password of {user}",
        "The address in use is not that of this run's server, or its password is another.",
        "Use the address that testkit gives; look which variable wins.",
        says(
            r"password authentication failed for user \"?(?P<user>\w+)"
            r"|no pg_hba.conf entry for .*?user \"(?P<user2>\w+)\""
            r"|Access denied for user '(?P<user3>\w+)'",
            "user",
        ),
        cues=("authentication failed", "pg_hba", "Access denied"),
    ),
    Rule(
        "connection-lost",
        "{what} closed the connection",
        "The server was stopped, restarted or crashed, or a pool gave a connection that had been"
        " closed meanwhile.",
        "Look into the server's log; `pool_pre_ping=True` finds dead connections.",
        _closed,
        cues=(
            "closed",
            "terminating",
            "reset by peer",
            "Broken pipe",
            "disconnected",
            "is lost",
            "system is",
        ),
    ),
    Rule(
        "service-timeout",
        "No answer in time: {what}",
        "The server is paused, overloaded, or waits for a lock; or nothing sends what is waited for.",
        "Look what the server was doing; give clients a timeout so that they fail at the place.",
        _timeout,
        types=_TIMEOUTS,
    ),
)
