"""Shared fixtures, what wider ones ask for, and further databases: TK342 to TK349."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["SHARED"]

SHARED: Final[dict[str, Message]] = {
    "TK342": Message(
        "testkit.shared cannot be used like this",
        "@testkit.shared: {reason}.",
        "{where}",
        "A shared fixture builds data once for all tests of a class, a module, a package or a worker.",
        "testkit explain TK342",
        'Write @testkit.shared, which is scope="module", or @testkit.shared(scope="class"), "package" or\n'
        '"session", above a function, sync or async, that returns or yields. For one test there is\n'
        "@pytest.fixture.",
    ),
    "TK343": Message(
        "A shared fixture left a transaction open",
        "At the end of its set-up the {who} was in a transaction:\n{blockers}",
        "{where}",
        "A session was not committed or, after its last commit, read something. No test can see what it wrote,\n"
        "and its locks would stand in the way of every test. Commit, and close it before the fixture\n"
        "returns or yields.",
        "testkit explain TK343",
        "Write it so:\n"
        "    with database.session() as session:\n"
        "        session.add(...)\n"
        "        session.commit()\n"
        "    yield ...\n"
        "The sessions were closed and what was committed is undone. A connection may stay open over the tests,\n"
        "as long as it is in no transaction.",
    ),
    "TK344": Message(
        "A shared fixture did not commit what it wrote",
        "The set-up of the {who} wrote this and did not commit it:\n{statements}",
        "{where}",
        "Closing a session rolls back what it has not committed, so no test would find it. Call\n"
        "session.commit() before the session is closed.",
        "testkit explain TK344",
        "With SQLAlchemy Core it is connection.commit() or `with engine.begin() as connection:`, with a driver\n"
        "alone its own commit. What the set-up rolls back by calling rollback() is not asked for.",
    ),
    "TK345": Message(
        "A shared fixture gives objects that tests cannot read",
        "The {who} gives objects of the ORM that its tests cannot read:\n{objects}",
        "{where}",
        "A commit expires the attributes of a session's objects, and only an open session can load them\n"
        "again: DetachedInstanceError. A session that is still open would load what a test changed, and\n"
        "hold a transaction. Return ids, or use database.session(expire_on_commit=False) and close it.",
        "testkit explain TK345",
        "Return ids and let each test load what it needs, or keep the values:\n"
        "    with database.session(expire_on_commit=False) as session:\n"
        "        session.add(shop)\n"
        "        session.commit()\n"
        "    return shop\n"
        "Read such an object in the tests; to change the row, load it there: db_session.get(Shop, shop.id).\n"
        "Relationships that were not loaded before the session was closed cannot be read either.",
    ),
    "TK346": Message(
        "An asynchronous shared fixture was asked for while a loop runs",
        "The shared fixture {fixture} is asynchronous and was asked for while an event loop runs.",
        "{test}",
        "request.getfixturevalue was called in an asynchronous test or fixture.",
        "testkit explain TK346",
        "Name the fixture among the test's arguments, or use @pytest.mark.usefixtures: then it is set up before\n"
        "the loop runs.",
    ),
    "TK347": Message(
        "A wider fixture asked for what belongs to one test",
        "A fixture of scope {scope} asked for {fixture}, which belongs to one test.",
        "{test}",
        "{fixture} is closed behind each test, so nothing that lasts longer can have it. Ask for\n{instead}",
        "testkit explain TK347",
        "`database` and `redis_server` last as long as the worker. What is committed there by a wider fixture\n"
        "is the state from which every test of its scope starts; @testkit.shared finds a commit that was\n"
        "forgotten.",
    ),
    "TK348": Message(
        "An asynchronous shared fixture waited for what is not asyncio's",
        "The shared fixture {fixture} waited for {what}, which asyncio does not know.",
        "{test}",
        "Asynchronous shared fixtures run on asyncio, as SQLAlchemy and redis-py do, also beside tests that run on\n"
        "trio.",
        "testkit explain TK348",
        "Build the data without trio. Tests on trio can use what such a fixture returns, as long as that belongs to\n"
        "no loop: ids and values.",
    ),
    "TK349": Message(
        "Another database cannot be had, or cannot do that",
        "database.{call}: {reason}.",
        "the running test",
        "database.another() gives databases that go with their test, beside the worker's own, to which all\n"
        "tests are reset.",
        "testkit explain TK349",
        "Each goes behind the test, or the wider fixture, in which it was made; one test rarely needs more than\n"
        "two. What has to be the state of many tests belongs in the worker's own database.",
    ),
}
