"""The test's clock: TK660 to TK699."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["CLOCK"]

CLOCK: Final[dict[str, Message]] = {
    "TK660": Message(
        "The clock cannot move this event loop",
        "The hand 'loop' of the clock was to be moved or stopped where {library} runs the event loop.",
        "the test that asked for the fixture clock",
        "{library} keeps its time where nobody can reach it; asyncio's own loops ask for it at each turn.",
        "testkit explain TK660",
        "Run this test on asyncio's own loop: with pytest-asyncio without an event loop policy or factory for\n"
        'uvloop, with anyio by @pytest.mark.parametrize("anyio_backend", ["asyncio"]). Where no timer of the loop\n'
        'matters, move the other hands: clock.advance(61, hands=("wall", "monotonic")).',
    ),
    "TK661": Message(
        "The clock was moved, and nobody looked at it",
        "{call} moved hands that nobody read afterwards: {unread}. Read in this test: {read}.",
        "{where}",
        "What was to notice the new time looks at another hand, kept a time in C, or asks a server; so the test\n"
        "does not test what it seems to. Name the hand that is read, or drop the move.",
        "testkit explain TK661",
        'clock.advance(61) moves all three hands; one that is read is enough. clock.advance(61, hands="wall")\n'
        "moves one, and that one must be read. The table in docs/clock.md tells which hand breakers and caches\n"
        "read. The time of a server (now(), TTL) is its own: clock.shift_key and clock.shift_row move what is\n"
        "stored there. Reads of pytest, testkit, drivers and the standard library's waits do not count.",
    ),
    "TK662": Message(
        "The clock does not know this interpreter",
        "time.{name} is not laid out as CPython lays out its functions, in {interpreter}.",
        "the fixture clock",
        "Names imported early (from time import monotonic) move only if the function itself is replaced, and\n"
        "that takes CPython 3.11 or newer, with its global lock.",
        "testkit explain TK662",
        "Run the tests that use clock on CPython with the lock (not a free-threaded build, not PyPy).",
    ),
    "TK663": Message(
        "A key has no time that could be shifted",
        'The key "{key}" {state}.',
        "clock.shift_key",
        "Only a key that expires has a time in Redis. Most often it has another name or prefix, or was stored\n"
        "without an expiry: then nothing on the server will ever remove it.",
        "testkit explain TK663",
        "Look with redis_client.keys() and redis_client.ttl(key).",
    ),
    "TK664": Message(
        "No row's time was shifted",
        "No row matched in which {column} could be shifted.",
        "clock.shift_row",
        "The rows are not there yet for this connection: written in a session that has not flushed, or not\n"
        "committed by another one; or the condition names no row.",
        "testkit explain TK664",
        "Commit first what wrote the row, and pass where= for the row that you mean:\n"
        "    clock.shift_row(session, Token.created_at, 3600, where=Token.id == token.id)",
    ),
    "TK665": Message(
        "A test mixes its clock with that of Redis",
        "While the hand 'wall' of the clock was moved, an instant of it was sent to Redis: {commands}.",
        "{where}",
        "Redis compares it with its own clock, which nobody moves: the key lives on for as long as wall time was\n"
        "moved forward, or goes at once.",
        "testkit explain TK665",
        "Set expiries that are relative (EX, PX, EXPIRE) and make keys older with clock.shift_key; or move the\n"
        'other hands only: clock.advance(61, hands=("monotonic", "loop")). To go on as it is:\n'
        '@pytest.mark.filterwarnings("ignore::testkit.pytest_plugin.clock_use.MixedClocksWarning").',
    ),
}
