"""Undoing what a test did to its own Redis: flush, and put back what wider-scoped fixtures set."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.isolation.patience import PATIENCE
from testkit.isolation.redis_clients import Clients
from testkit.isolation.redis_keys import Keys
from testkit.isolation.redis_link import Link, Packed
from testkit.isolation.redis_settings import RedisSettings
from testkit.isolation.redis_traces import FORGET, SECTIONS, Traces, read_traces

if TYPE_CHECKING:
    from testkit.core.addresses import Address

__all__ = ["Keyspace"]

# A pause first: it would hold up the flush. The counts before the flush, which lets some go.
_SWEEP: Final = (("CLIENT", "UNPAUSE"), SECTIONS, ("FLUSHALL", "SYNC"), *FORGET)
_SCRIPTS: Final = frozenset({b"eval", b"eval_ro", b"script|load"})
_ROUNDS: Final = 20
_PAUSE: Final = frozenset({b"client|pause"})
_WATCH: Final = frozenset({b"watch"})
_WRITES: Final = re.compile(rb"^rdb_(?:changes_since_last_save|saves):(\d+)", re.MULTILINE)
_DATABASE: Final = re.compile(rb"^db(\d+):", re.MULTILINE)
_A_SAVE: Final = 1 << 40  # sets the count of changes to nought


class Keyspace:
    """One server that testkit owns: keys of all databases, settings, users, functions, clients.

    Cost: one round trip, plus one RESTORE for each key of a wider-scoped fixture, plus a look at
    what else a test may have changed where it sent a command for that. Not safe to call from two
    threads.
    """

    def __init__(self, address: Address, *, seconds: float = 10) -> None:
        """Wait for the server so many ``seconds`` at most, then raise TK310."""
        self._seconds = seconds
        self._link = Link(address, own=True, seconds=seconds)
        self._keys = Keys(self._link, ("DEBUG", "DIGEST-VALUE"))
        self._link.do(*FORGET)
        self._clients = Clients(self._link)
        self._settings = RedisSettings(self._link)
        self._opened = self._link.opened
        self._keeps_scripts = False
        self._sweep = self._sweep_of_this_version()

    def changes(self) -> int:
        """Return the server's count of writes, for a later ``claim``."""
        [info] = self._link.do(("INFO", "persistence"))
        changes, saves = map(int, _WRITES.findall(info))
        return saves * _A_SAVE + changes

    def claim(self, owner: int, *, since: int) -> None:
        """Give what changed since then to a fixture: it stays until ``end``."""
        info, memory = self._link.do(SECTIONS, ("INFO", "memory"))
        # A script goes by the hash of its text: that it stays can mislead nobody.
        self._keeps_scripts |= b"\nnumber_of_cached_scripts:0\r" not in memory
        self._clients.keep()
        self._settings.claim(owner, self._traces(info))
        if self.changes() != since:
            [databases] = self._link.do(("INFO", "keyspace"))
            self._keys.claim(owner, map(int, _DATABASE.findall(databases)))

    def finish(self) -> None:
        """Put everything back. Raises TK310 where the test has made that impossible."""
        seen, refused = self._swept()
        looked = self._clients.end_those_left(seen)
        more, waited = seen, seen.blocked
        for _ in range(_ROUNDS):
            if not (more.of(_PAUSE) or waited):
                break
            # What had waited was let go by the sweep, and so was whatever was sent behind it:
            # the next pause, too.
            more, refused = self._swept()
            looked |= self._clients.end_those_left(more)
            seen, waited = seen.and_then(more), False
        looked |= self._settings.put_back(seen)
        if refused is not None:
            self._flush()
        # A flush of scripts makes a new interpreter, 100 µs: only where there may be any.
        if seen.of(_SCRIPTS) and not self._keeps_scripts:
            self._link.do(("SCRIPT", "FLUSH"))
        self._keys.restore()
        if seen.of(_WATCH):
            # An older server shows who watches once the watched key was changed, as by now.
            self._clients.end_those_left(seen)
        if looked:
            self._link.do(*FORGET)  # our own commands, too

    def restarted(self) -> None:
        """Go on with a server that was killed and started again.

        What it lost, keys of wider-scoped fixtures and settings among it, is back behind the test.
        """
        self._link.close()
        self._clients.forget()

    def left(self) -> TestkitError | None:
        """Return TK311 for the clients that were found waiting since the last call."""
        left, self._clients.left = self._clients.left, []
        if not left:
            return None
        clients = "\n".join(left)
        return TestkitError("TK311", seconds=PATIENCE, clients=clients, place=self._link.place)

    def end(self, owner: int) -> None:
        """Forget what a fixture had set, and what its teardown did."""
        self._keys.end(owner)
        self._settings.end(owner)
        self.finish()

    def close(self) -> None:
        """Close testkit's own connection."""
        self._link.close()

    def _traces(self, info: bytes) -> Traces:
        """Read them; a connection that was opened anew may have missed some."""
        seen = read_traces(info)
        if self._opened == self._link.opened:
            return seen
        self._opened = self._link.opened
        return seen._replace(complete=False)

    def _swept(self) -> tuple[Traces, Exception | None]:
        """Empty the server; answer what was done there, and by what the flush was refused.

        A script that does not end is killed.
        """
        deadline = time.monotonic() + self._seconds
        while True:
            _, info, flushed, *_ = self._link.ask(self._sweep)
            if not isinstance(info, Exception):
                refused = flushed if isinstance(flushed, Exception) else None
                return self._traces(info), refused
            if not str(info).startswith("BUSY") or time.monotonic() > deadline:
                raise self._link.trouble("all of it", info)
            kills = self._link.ask((("SCRIPT", "KILL"), ("FUNCTION", "KILL")))
            if unkillable := next((k for k in kills if str(k).startswith("UNKILLABLE")), None):
                raise self._link.trouble("all of it", unkillable)

    def _flush(self) -> None:
        [answer] = self._link.ask([("FLUSHALL", "SYNC")])
        if isinstance(answer, Exception):
            raise self._link.trouble("the keys", answer)

    def _sweep_of_this_version(self) -> Packed:
        """Return what is sent behind each test; Valkey has logs of large requests and answers."""
        logs = [("COMMANDLOG", "RESET", f"large-{what}") for what in ("request", "reply")]
        known = not any(isinstance(answer, Exception) for answer in self._link.ask(logs))
        return Packed([*_SWEEP, *logs] if known else _SWEEP)
