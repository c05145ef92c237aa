"""Rules about sessions, connections, pools, locks and event loops."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.triage.rule import Found, Rule, found, says

if TYPE_CHECKING:
    from testkit.triage.facts import Facts, Said

__all__ = ["RULES"]

_SQL: Final = ("sql", "statements")
_LOOP: Final = re.compile(
    r"attached to a different loop|bound to a different event loop|Event loop is closed"
)
_GREENLET: Final = "greenlet_spawn has not been called"
_LIBRARIES: Final = re.compile(r"site-packages/(?P<name>\w+)")
_OF_LOOPS: Final = frozenset(("anyio", "asyncio", "pytest_asyncio", "uvloop", "starlette"))


def _loop(facts: Facts, said: Said) -> Found | None:
    if not _LOOP.search(said.text):
        return None
    held = ""
    for raised in facts.failure.chain:
        for frame in raised.frames:
            hit = _LIBRARIES.search(frame.path) if frame.owner == "library" else None
            if hit and hit["name"] not in _OF_LOOPS:
                held = hit["name"]
    return found(held, what=f"of {held}" if held else "(a connection, a client or a future)")


def _greenlet(facts: Facts, said: Said) -> Found | None:
    if _GREENLET not in said.text:
        return None
    where = facts.place or facts.base
    return found(where, where=where)


RULES: Final = (
    Rule(
        "detached-instance",
        "An object of {name} is read after its session is gone",
        "The session was closed, or committed and expired the object, before the attribute or"
        " relationship was read.",
        "Read what is needed inside the session, load the relationship at once (`selectinload`), or"
        " set `expire_on_commit=False`.",
        says(
            r"Instance <(?P<name>\w+) at .*? is not bound to a Session"
            r"|Parent instance <(?P<name2>\w+) at",
            "name",
        ),
        cues=("not bound to a Session",),
    ),
    Rule(
        "vanished-row",
        "The row behind an object of {name} is gone",
        "Another session, or the undoing of an earlier test, deleted it while a wider fixture still"
        " holds the object.",
        "Keep ids in wide fixtures, not objects, or make the row in a `@testkit.shared` fixture.",
        says(
            r"(?:Instance '<(?P<name>\w+) at .*has been deleted"
            r"|Could not refresh instance '<(?P<name2>\w+) at)",
            "name",
        ),
        cues=("has been deleted", "Could not refresh instance"),
    ),
    Rule(
        "missing-greenlet",
        "An attribute is loaded lazily in asynchronous code, in {where}",
        "The relationship or the expired column needs a query, and the code that reads it does not"
        " await.",
        "Load it with the query (`selectinload`), `await session.refresh(…)`, or set"
        " `expire_on_commit=False`.",
        _greenlet,
        cues=(_GREENLET,),
        kinds=_SQL,
    ),
    Rule(
        "other-loop",
        "Something {what} was made in one event loop and is used in another",
        "An engine, a client or a lock lives longer than the loop of the test that made it: as a"
        " module's global, or in a fixture with a wider scope than its loop.",
        "Make it in a fixture of the loop's scope, or dispose of it at the end of each test.",
        _loop,
        cues=("different loop", "different event loop", "Event loop is closed"),
    ),
    Rule(
        "pool-exhausted",
        "The connection pool has no connection left",
        "Sessions or connections are not closed: each test, task or request keeps one.",
        "Close them (`with Session(…)`), a response's dependency too; testkit's leak report names"
        " who has them.",
        says(
            r"QueuePool limit of size|connection pool (?:is )?exhausted|couldn't get a connection"
        ),
        cues=("QueuePool limit", "exhausted", "couldn't get a connection"),
        kinds=_SQL,
    ),
    Rule(
        "too-many-connections",
        "The server takes no more connections",
        "Many engines, each with its pool, are open at once; or earlier ones were never disposed of.",
        "Share one engine, use `NullPool` in tests, and dispose of engines that fixtures make.",
        says(r"too many clients already|too many connections|remaining connection slots"),
        cues=("too many", "connection slots", "Too many connections"),
        types=frozenset(
            (
                "OperationalError",
                "TooManyConnections",
                "TooManyConnectionsError",
                "ConnectionError",
                "InterfaceError",
            )
        ),
    ),
    Rule(
        "deadlock",
        "Two transactions wait for each other",
        "They take the same locks in another order; often a test and a task that still runs.",
        "Take locks in one order, end background work before the test ends.",
        says(r"deadlock detected|Deadlock found when trying"),
        cues=("eadlock",),
        kinds=_SQL,
    ),
    Rule(
        "lock-timeout",
        "A lock was not given in time: {what}",
        "Another connection holds an open transaction: a session that nobody closed, a fixture, or a"
        " second connection of the same test.",
        "End the transaction before; the report of the failed test says who held the lock.",
        says(
            r"(?P<what>canceling statement due to lock timeout|could not obtain lock[^\n]*"
            r"|database(?: table)? is locked|Lock wait timeout exceeded)",
            "what",
        ),
        cues=("lock",),
        kinds=_SQL,
    ),
    Rule(
        "statement-timeout",
        "The database stopped a statement that took too long",
        "The statement waits for a lock, or does more than its limit allows.",
        "Look at what it waits for; the last statements stand in the evidence.",
        says(r"canceling statement due to (?:statement timeout|user request)"),
        cues=("canceling statement",),
        kinds=_SQL,
    ),
    Rule(
        "serialization",
        "A transaction could not be serialized",
        "Two transactions changed what the other had read.",
        "Try the transaction again, as the code must in production.",
        says(r"could not serialize access|40001"),
        cues=("could not serialize",),
        kinds=_SQL,
    ),
    Rule(
        "aborted-transaction",
        "A transaction is used on after a statement of it had failed",
        "An exception of the database was caught without a rollback, so that every later statement"
        " of this session fails.",
        "Roll back where the exception is caught, or use a savepoint (`begin_nested`).",
        says(
            r"current transaction is aborted|transaction has been rolled back due to a previous"
            r"|Can't reconnect until invalid transaction is rolled back"
        ),
        cues=("transaction",),
        kinds=_SQL,
    ),
    Rule(
        "shared-session",
        "One session or connection is used by two tasks at once",
        "A session is shared by `gather`, by threads, or by a request and its test.",
        "Give each task its own session.",
        says(
            r"another operation is in progress|already in progress"
            r"|concurrent operations are not permitted|session is provisioning a new connection"
        ),
        cues=("in progress", "concurrent operations", "provisioning a new connection"),
        types=frozenset(
            (
                "InterfaceError",
                "IllegalStateChangeError",
                "InvalidRequestError",
                "InternalClientError",
                "OperationalError",
                "ProgrammingError",
            )
        ),
        kinds=_SQL,
    ),
    Rule(
        "no-transaction-left",
        "A session or transaction is used after it was closed: {what}",
        "A fixture closed it, or the block that owned it has ended.",
        "Use it inside its block; return values instead of results that are still open.",
        says(
            r"(?P<what>This (?:result object is closed|Connection is closed|transaction is inactive"
            r"|session is in '\w+' state|result object does not return rows)"
            r"|Can't operate on closed transaction)",
            "what",
        ),
        cues=("This ", "closed transaction"),
        types=frozenset(("InvalidRequestError", "ResourceClosedError")),
        kinds=_SQL,
    ),
)
