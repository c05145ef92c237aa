"""A Redis that somebody else runs: databases of it are leased, empty ones only.

Who leases what stands in a hash in one database that was empty too (the last such), so that the
leased ones themselves are empty when a test begins. An entry is changed only by whoever has read it
as it stands. Each process holds a connection named after its lease: one whose owner is gone, or not
known here and whose connection is gone, has ended, and its database is emptied by the next run and
by ``testkit reap``. Nothing but FLUSHDB of databases that were leased empty is ever sent.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from testkit.core.messages import TestkitError
from testkit.core.provided import provided
from testkit.servers.ownership.records import owner_in, owner_text, state_of
from testkit.servers.ownership.verdicts import DEAD, IN_USE
from testkit.servers.programs.binaries import OLDEST_REDIS
from testkit.servers.redis import RedisServer, answering
from testkit.servers.roads.external import unreachable
from testkit.system.processes import here

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.core.addresses import Address
    from testkit.servers.run import Run

__all__ = ["RedisLease", "lease_redis", "sweep_at", "sweep_leases"]

_LEASES: Final = "testkit:leases"
_ALL: Final = 16  # databases, where the server does not say
_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Entry:
    """What stands in the hash: the name of the holder's connection, and its process.

    ``taken`` says that the database was seen empty: what is in it now is the holder's.
    """

    holder: str
    owner: str
    taken: bool

    def text(self) -> str:
        return json.dumps(dataclasses.asdict(self))


class RedisLease:
    """One leased database, ours until ``release`` or our end.

    ``holder`` is the name of the client that holds it.
    """

    def __init__(
        self, server: RedisServer, registry: int | None, client: redis.Redis, entry: _Entry
    ) -> None:
        self.server = server
        self.holder = entry.holder
        self._registry, self._client, self._entry = registry, client, entry.text()

    def check(self) -> None:
        """Raise TK115 where the lease is ours no more; keeps its connection from being idle."""
        if self._registry is None:
            return
        try:
            found = self._client.hget(_LEASES, str(self.server.database))
        except redis.RedisError as error:
            reason = f"the connection that holds it is gone ({error})"
        else:
            if found == self._entry.encode():
                return
            reason = "somebody else has it now"
        raise TestkitError(
            "TK115",
            database=self.server.database,
            host=self.server.host,
            port=self.server.port,
            reason=reason,
        )

    def release(self) -> None:
        """Empty the database and give it back, if it is still ours."""
        with contextlib.suppress(redis.RedisError, TestkitError):
            self.check()
            with _client(self.server.address, self.server.database) as client:
                client.flushdb()
            if self._registry is not None:
                _change(self._client, self.server.database, self._entry, None)
        self._client.close()


def lease_redis(run: Run, address: Address) -> RedisLease:
    """Lease a database for this process. Raises TK110, TK114."""
    provided.add(address.host, address.port)
    source = run.settings.sources.get("redis", "the configuration")
    try:
        return _leased(run, address, source)
    except redis.RedisError as error:
        raise unreachable("redis", address, source, str(error)) from error


def _leased(run: Run, address: Address, source: str) -> RedisLease:
    with _client(address, 0) as client:
        facts: Any = client.info("server")
    if "valkey_version" not in facts and int(facts["redis_version"].split(".")[0]) < OLDEST_REDIS:
        words = f"it is Redis {facts['redis_version']}, older than {OLDEST_REDIS}"
        raise unreachable("redis", address, source, words)
    count = _databases(address)
    registry = _registry(address, count)
    if registry is None and run.settings.redis_disposable and count > 1:
        registry = count - 1
        with _client(address, registry) as client:
            client.flushdb()
    name = f"testkit-lease-{run.token}-{run.worker}"
    entry = _Entry(name, owner_text(run.me), taken=True)
    holder = _client(address, registry or 0, name=name)
    try:
        holder.ping()  # connected, and named, before anybody can read of it
        if registry is not None:
            sweep_leases(address, registry)
        number = _free(run, address, count, registry, holder=holder, entry=entry.text())
    except BaseException:
        holder.close()
        raise
    if number is None:
        holder.close()
        raise TestkitError(
            "TK114",
            host=address.host,
            port=address.port,
            databases=count,
            processes=run.processes,
            source=source,
        )
    reason = f"{address.host}:{address.port}, database {number}, named by {source}"
    server = answering(facts, _at(address, number), backend="external", reason=reason)
    return RedisLease(server, registry, holder, entry)


def sweep_at(address: Address, *, look: bool) -> list[int]:
    """Do it on the server of a URL. Raises TK110."""
    try:
        registry = _registry(address, _databases(address), existing=True)
        return [] if registry is None else sweep_leases(address, registry, look=look)
    except redis.RedisError as error:
        raise unreachable("redis", address, "the configuration", str(error)) from error


def sweep_leases(address: Address, registry: int, *, look: bool = False) -> list[int]:
    """Empty the databases whose process is gone, and end their leases; answer their numbers.

    With ``look`` nothing is emptied.
    """
    ended = []
    with _client(address, registry) as client:
        for number, text, entry in _ended(client):
            mine = json.dumps({"swept": secrets.token_hex(8)})
            if not look:
                # Of several that sweep, one gets it.
                if not _change(client, number, text, mine):
                    continue
                if entry.taken:
                    with _client(address, number) as leased:
                        leased.flushdb()
                _change(client, number, mine, None)
            ended.append(number)
    return ended


def _ended(client: redis.Redis) -> Iterator[tuple[int, str, _Entry]]:
    """Yield the leases whose process is gone; those of another form are left alone."""
    listed: Any = client.client_list()
    connected = {each.get("name") for each in listed}
    entries: Any = client.hgetall(_LEASES)
    for number, raw in entries.items():
        text = raw.decode(errors="replace")
        try:
            entry = _Entry(**json.loads(text))
        except (ValueError, TypeError):
            continue
        owner = owner_in(entry.owner)
        gone = entry.holder not in connected
        if owner is not None and owner.boot == here()[0]:
            gone = {IN_USE: False, DEAD: True}.get(state_of(owner), gone)
        if gone and number.isdigit():
            yield int(number), text, entry


def _free(
    run: Run,
    address: Address,
    count: int,
    registry: int | None,
    *,
    holder: redis.Redis,
    entry: str,
) -> int | None:
    """Lease the last database that may be taken; None where there is none.

    The first is what applications take by default: a cache may be empty just now.
    """
    disposable = run.settings.redis_disposable
    if registry is None:
        # A server of one database: nowhere to write a lease down.
        if not (disposable and run.processes == 1):
            return None
        with _client(address, 0) as client:
            client.flushdb()
        return 0
    asking = _Entry(**json.loads(entry) | {"taken": False}).text()
    for number in reversed(range(0 if disposable else 1, count)):
        if number == registry:
            continue
        with _client(address, number) as candidate:
            if not disposable and candidate.dbsize():
                continue
            if not holder.hsetnx(_LEASES, str(number), asking):
                continue
            if disposable:
                candidate.flushdb()
            if candidate.dbsize() == 0 and _change(holder, number, asking, entry):
                return number
            _change(holder, number, asking, None)
    return None


def _change(client: redis.Redis, number: int, was: str, becomes: str | None) -> bool:
    """Change an entry that stands as it was read, or remove it; answer whether it did."""
    with client.pipeline() as transaction:
        try:
            transaction.watch(_LEASES)  # type: ignore[no-untyped-call]  # redis-py's
            if transaction.hget(_LEASES, str(number)) != was.encode():
                return False
            transaction.multi()
            if becomes is None:
                transaction.hdel(_LEASES, str(number))
            else:
                transaction.hset(_LEASES, str(number), becomes)
            transaction.execute()
        except redis.WatchError:
            # Another entry of the hash may be what changed.
            return _change(client, number, was, becomes)
    return True


def _registry(address: Address, count: int, *, existing: bool = False) -> int | None:
    """Return the database with the leases, or the last empty one where there is none yet."""
    empty = None
    for number in reversed(range(count)):
        with _client(address, number) as client:
            if client.exists(_LEASES):
                return number
            if empty is None and number and client.dbsize() == 0:
                empty = number
    return None if existing else empty


def _databases(address: Address) -> int:
    """Return how many databases there are; counted where the server does not let us ask."""
    with _client(address, 0) as client:
        try:
            found: Any = client.config_get("databases")
            return int(found["databases"])
        except (redis.ResponseError, KeyError):
            pass  # a hosted server
    for number in range(1, _ALL):
        with _client(address, number) as client:
            try:
                client.ping()
            except redis.ResponseError:
                return number
    return _ALL


def _at(address: Address, number: int) -> Address:
    return dataclasses.replace(address, name=str(number))


def _client(address: Address, number: int, *, name: str = "testkit") -> redis.Redis:
    client = redis.Redis.from_url(
        _at(address, number).url(),
        socket_timeout=_SECONDS,
        socket_connect_timeout=_SECONDS,
        # A connection that was idle for too long is made again, with its name.
        retry=Retry(NoBackoff(), 1),
        client_name=name,
    )
    assert isinstance(client, redis.Redis)
    return client
