"""The relays in front of this worker's servers: their URLs, and what is led through them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Engine

from testkit.core.messages import TestkitError
from testkit.faults.fault import Fault
from testkit.faults.protocols.postgres_rules import PostgresRules
from testkit.faults.protocols.redis_rules import RedisRules
from testkit.faults.relay import Relay

if TYPE_CHECKING:
    from testkit.core.addresses import Address
    from testkit.faults.faults import Faults
    from testkit.faults.protocols.rules import Rule, Rules
    from testkit.faults.routes import Routes
    from testkit.faults.servers import ServerFaults
    from testkit.faults.station import Station

__all__ = ["PostgresRelay", "RedisRelay", "speaks_tls"]

_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})


def speaks_tls(address: Address) -> bool:
    """Return whether clients of that address are to encrypt what they say."""
    return address.tls or dict(address.options).get("sslmode") in _ENCRYPTED


class _ServerRelay(Relay):
    """A relay in front of a server whose address is known with user and password.

    ``request`` and ``reply`` choose what of its protocol is struck; over TLS that raises TK602.
    """

    def __init__(
        self,
        faults: Faults,
        name: str,
        station: Station,
        behind: Address,
        routes: Routes,
        *,
        rules: Rules,
    ) -> None:
        super().__init__(faults, name, station)
        self.behind, self._routes, self._rules = behind, routes, rules
        self.address = dataclasses.replace(behind, host=self.host, port=self.port)

    @property
    def server(self) -> ServerFaults:
        """The server itself: ``pause``, ``kill``, ``restart``; whoever is connected is struck.

        Raises TK640 where it is not this process' own, and TK603 when the test is over.
        """
        self._faults.check(f"{self._name}.server")
        return self._faults.server_faults(self.behind.kind)

    def _strike(self, rule: Rule) -> Fault:
        """Let a rule strike. Raises TK602 where the server is spoken to over TLS."""
        if speaks_tls(self.behind):
            what = f"{self._name}.{rule.text}"
            raise TestkitError("TK602", what=what, reason="no relay can read what TLS encrypts")
        return self.listen(rule, self._rules)

    def _check_place(self, what: object, host: object, port: object) -> None:
        """Raise TK601 for what leads to another server."""
        here = self._routes.gone.leads_to
        places = [here(self.behind.host, self.behind.port), here(self.host, self.port)]
        if here(host, port) not in places:
            place = f"{self.behind.host}:{self.behind.port}"
            reason = f"{what} leads to {host}:{port}, and the relay to {place}"
            raise TestkitError("TK601", call=f"{self._name}.route()", reason=reason)


class RedisRelay(_ServerRelay, RedisRules[Fault]):
    """The relay in front of this worker's Redis: its network, its commands, itself."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        RedisRules.__init__(self, self._strike)

    @property
    def url(self) -> str:
        """The URL of the database, through the relay."""
        return self.address.url()

    def route(self, client: Any) -> None:
        """Lead a client of redis-py, sync or async, through the relay until the end of the test.

        The connections of its pool are closed, now and then. Raises TK601 for anything else, and
        for a client that leads to another server.
        """
        self._faults.check(self._name)
        pool = getattr(client, "connection_pool", None)
        options = getattr(pool, "connection_kwargs", {})
        if not {"host", "port"} <= options.keys():
            reason = f"{type(client).__name__} is no client of redis-py with a host and a port"
            raise TestkitError("TK601", call=f"{self._name}.route()", reason=reason)
        self._check_place("the client", options["host"], options["port"])
        self._routes.clients.route(pool, self.port)


class PostgresRelay(_ServerRelay, PostgresRules[Fault]):
    """The relay in front of this worker's Postgres: its network, its statements, itself."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        PostgresRules.__init__(self, self._strike)

    def url(self, driver: str | None = None) -> str:
        """Return the URL of the test's database: psycopg 3, ``asyncpg``, or ``libpq``."""
        return self.address.url(driver)

    def route(self, engine: Any) -> None:
        """Lead an Engine or AsyncEngine through the relay until the end of the test.

        What its pool holds is exchanged at the next checkout, now and behind the test. Raises TK601
        for anything else, and for an engine that leads to another server.
        """
        self._faults.check(self._name)
        engine = getattr(engine, "sync_engine", engine)
        if not isinstance(engine, Engine):
            reason = f"{type(engine).__name__} is neither an Engine nor an AsyncEngine"
            raise TestkitError("TK601", call=f"{self._name}.route()", reason=reason)
        self._check_place("the engine", engine.url.host, engine.url.port or 5432)
        self._routes.engines.route(engine, self.port)
