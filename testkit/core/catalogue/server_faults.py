"""Faults of whole servers: TK640 to TK659."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["SERVER_FAULTS"]

SERVER_FAULTS: Final[dict[str, Message]] = {
    "TK640": Message(
        "This server is not for one test to disturb",
        "{server} cannot be paused, killed or restarted: {why}.",
        "{place}",
        "Others would feel it as well, or nobody could bring it back. A fault of the network does the same to the\n"
        "connections of this test alone: black_hole(), refuse(), reset(). Or run the test {otherwise}.",
        "testkit explain TK640",
        "black_hole() is a server that says nothing, refuse() and reset() are one that is gone. Mark tests that\n"
        "need the whole server, and let CI run those by themselves, in one process.",
    ),
    "TK641": Message(
        "A server has one fault at a time",
        "{asked} was called while this is in force: {fault}.",
        "{place}",
        "A server that is paused or down hears nothing more.",
        "testkit explain TK641",
        "End the first one before: call end() on what it answered, or use it as a context manager.",
    ),
    "TK642": Message(
        "What a killed Postgres takes along could not be undone",
        "{asked} would lose what testkit needs to undo this test: {why}.",
        'database "{database}"',
        "Behind such a test the database is made anew from the template, with the rows of wider-scoped fixtures:\n"
        "the journal of the isolation does not outlive a crash. {otherwise}",
        "testkit explain TK642",
        "pause() works all the same, and so do the faults of the network (reset, refuse, black_hole). Neither an\n"
        "unlogged table nor an open transaction outlives a crash, and the template has no DDL of fixtures.",
    ),
    "TK643": Message(
        "A server did not do what was asked before it was to be killed",
        "{server} did not write down its data: {reason}.",
        "{place}",
        'data="kept" promises every write that was acknowledged. A script that does not end, CLIENT PAUSE or\n'
        "DEBUG SLEEP keep a server from writing them down.",
        "testkit explain TK643",
        'End what keeps the server busy before, or lose the data: data="lost".',
    ),
}
