"""What it costs to understand a conversation: commands, frames and megabytes a second.

    python benchmarks/faults_frames.py [--megabytes 8] [--rounds 7]

One process, no socket: pieces of 64 KiB go into conversations as a relay reads them, without a
rule, and with one that listens to another command or statement. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import statistics
import struct
import time
from typing import TYPE_CHECKING, Final

from measure import machine

from testkit.faults.protocols.conversation import postgres_conversation, redis_conversation
from testkit.faults.protocols.postgres_rules import PostgresRules
from testkit.faults.protocols.redis_rules import RedisRules
from testkit.faults.protocols.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.protocols.steps import Conversation

_PIECE: Final = 64 * 1024
_SIZES: Final = (64 * 1024, 1024 * 1024, 8 * 1024 * 1024)
_STARTUP: Final = b"\0\0\0\x0d\0\3\0\0user\0"
_BEGUN: Final = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\5I"


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    size = arguments.megabytes * 1024 * 1024
    print("| small frames | without a rule, a second | with a rule for others |\n|---|---|---|")
    for name, unit, there, back, count in _small():
        times = max(1, size // max(len(there), len(back)))
        rates = [
            times * count / _seconds(name, there * times, back * times, arguments.rounds, listening)
            for listening in (False, True)
        ]
        print(f"| {name} | {rates[0]:,.0f} {unit} | {rates[1]:,.0f} |")
    print("\n| values of | without a rule, MB/s | with a rule for others |\n|---|---|---|")
    for length in _SIZES:
        for name, there, back in _long(length):
            times = max(1, 8 * size // length)
            rates = [
                times
                * length
                / 1e6
                / _seconds(name, there * times, back * times, arguments.rounds, listening)
                for listening in (False, True)
            ]
            print(f"| {length // 1024} KiB: {name} | {rates[0]:,.0f} | {rates[1]:,.0f} |")
    print(f"\n{machine()}")


def _small() -> list[tuple[str, str, bytes, bytes, int]]:
    """Return name, unit, what a client and a server send, and how many frames that is."""
    command = _command(b"SET", b"key:1", b"value")
    asked = _message(b"B", b"\0p1\0" + b"\0" * 6) + _message(b"E", b"\0" * 5) + _message(b"S")
    row = _message(b"D", b"\0\1\0\0\0\3abc")
    done = _message(b"C", b"SELECT 1\0") + _message(b"Z", b"I")
    answered = _message(b"2") + row + done
    return [
        ("Redis: SET", "commands", command, b"", 1),
        ("Redis: SET and its reply", "commands", command, b"+OK\r\n", 1),
        ("Redis: PUBLISH", "commands", _command(b"PUBLISH", b"channel", b"event"), b"", 1),
        ("Postgres: rows", "frames", b"", row * 100, 100),
        ("Postgres: B E S, 2 D C Z", "frames", asked, answered, 7),
        ("Postgres: 100 rows a statement", "frames", asked, _message(b"2") + row * 100 + done, 106),
    ]


def _long(length: int) -> list[tuple[str, bytes, bytes]]:
    value = b"x" * length
    row = _message(b"D", b"\0\1" + struct.pack(">I", length) + value)
    return [
        ("Redis, to the server", _command(b"SET", b"key", value), b""),
        ("Redis, to the client", _command(b"GET", b"key"), b"$%d\r\n%s\r\n" % (length, value)),
        ("Postgres, to the server", _message(b"B", b"\0p1\0" + b"\0" * 6 + value), b""),
        ("Postgres, to the client", b"", row),
    ]


def _seconds(name: str, there: bytes, back: bytes, rounds: int, listening: bool) -> float:  # noqa: FBT001
    """Return the median of the rounds; a first one warms up."""
    times = []
    for _ in range(rounds + 1):
        conversation = _conversation(name, listening=listening)
        pieces = [there[n : n + _PIECE] for n in range(0, len(there), _PIECE)]
        answers = [back[n : n + _PIECE] for n in range(0, len(back), _PIECE)]
        started = time.process_time()
        # In turn, as replies follow requests; what is awaited does not grow for ever.
        share = max(1, -(-len(answers) // max(1, len(pieces))))
        for piece in pieces:
            conversation.from_client(piece)
            for answer in answers[:share]:
                conversation.from_server(answer)
            del answers[:share]
        for answer in answers:
            conversation.from_server(answer)
        times.append(time.process_time() - started)
    return statistics.median(times[1:])


def _conversation(name: str, *, listening: bool) -> Conversation:
    rules = Rules()
    make: Callable[[Rules], Conversation] = redis_conversation
    if "Redis" in name:
        if listening:
            RedisRules(rules.add).request("XADD").dropped()
            RedisRules(rules.add).reply("XADD").lost()
        return make(rules)
    conversation = postgres_conversation(rules)
    conversation.from_client(_STARTUP + _message(b"P", b"p1\0SELECT 1\0\0\0") + _message(b"S"))
    conversation.from_server(_BEGUN + _message(b"1") + _message(b"Z", b"I"))
    if listening:
        PostgresRules(rules.add).request("INSERT").dropped()
        PostgresRules(rules.add).reply("INSERT").lost()
    return conversation


def _command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def _message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


if __name__ == "__main__":
    main()
