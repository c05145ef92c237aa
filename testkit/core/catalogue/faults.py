"""Faults on the way to a server: TK600 to TK619."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["FAULTS"]

FAULTS: Final[dict[str, Message]] = {
    "TK600": Message(
        "A fault was declared and never struck",
        "Never struck:\n{faults}",
        "{where}",
        "The code under test took another way, did something else, or never came so far: then the test shows\n"
        "nothing about the fault. Code that does not read its address during the test goes past the relay.",
        "testkit explain TK600",
        "Three ways lead through a relay: its url; the variables of [tool.testkit] env, which lead to it from\n"
        "the first use of faults.redis or faults.postgres to the end of the test; and route(), for an engine or\n"
        "a client that was made before. The list says what each relay saw.",
    ),
    "TK601": Message(
        "A fault or a route cannot be declared like this",
        "{call}: {reason}.",
        "the call of a relay or of the fixture faults",
        "Seconds and bytes are not negative; only what leads to the server behind a relay can be led through it.",
        "testkit explain TK601",
        "Engines and clients are compared by host and port. A Redis client on a Unix socket, a cluster and a\n"
        "sentinel cannot be routed; make a client on faults.redis.url.",
    ),
    "TK602": Message(
        "This fault cannot be had here",
        "{what}: {reason}.",
        "the test that asked for it",
        "It depends on the isolation of the test, or on the system.",
        "testkit explain TK602",
        'In the isolation "rollback" all engines share one connection that testkit itself made: no fault could\n'
        'strike the application\'s own. Mark the test with @pytest.mark.isolation("reset").',
    ),
    "TK603": Message(
        "The relay is gone with its test",
        "{what} was used behind the end of its test.",
        "code that kept the fixture faults, or something of it",
        "The relays of a test, their thread and their sockets end with it.",
        "testkit explain TK603",
        "Ask for the fixture faults in each test that needs it; it cannot be wider than a function.",
    ),
}
