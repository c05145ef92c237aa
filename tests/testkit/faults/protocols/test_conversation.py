"""Whatever is said, in whatever pieces and under whatever rules: no conversation raises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testkit.faults.protocols.conversation import postgres_conversation, redis_conversation
from testkit.faults.protocols.postgres_messages import OURS, SYNC
from testkit.faults.protocols.rules import Answer, Break, Cut, Delay, Drop, Rule, Rules
from tests.support.conversing import Heard
from tests.support.sizes import sized

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.protocols.steps import Conversation

ACTIONS = st.sampled_from(
    [Drop(), Delay(0.0), Break(), Cut(0), Cut(9), Answer(b"-ERR answered\r\n")]
)
NAMES = st.sampled_from(["SET", "EXEC", "SUBSCRIBE", "CLIENT", "INSERT", "COMMIT", "SELECT", None])
RULES = st.builds(
    lambda on, name, action, nth: Rule("a rule", "request" if on else "reply", name, action, nth),
    st.booleans(),
    NAMES,
    ACTIONS,
    st.none() | st.integers(1, 3),
)


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


ASKED_OF_REDIS = [
    command(b"SET", b"a", b"1"),
    command(b"GET", b"a"),
    command(b"MULTI"),
    command(b"EXEC"),
    command(b"SUBSCRIBE", b"a", b"b"),
    command(b"UNSUBSCRIBE"),
    command(b"CLIENT", b"REPLY", b"SKIP"),
    command(b"CLIENT", b"REPLY", b"OFF"),
    command(b"CLIENT", b"REPLY", b"ON"),
    command(b"CLIENT"),
    command(b"HELLO", b"3"),
    command(b"RESET"),
    command(b"MONITOR"),
    command(b"SET", b"a", b"x" * 20_000),
    command(b"PSYNC", b"?", b"-1"),
    b"PING\r\n",
    b"*0\r\n",
]
SAID_BY_REDIS = [
    b"+OK\r\n",
    b"+QUEUED\r\n",
    b"-ERR no\r\n",
    b"$3\r\nabc\r\n",
    b"*2\r\n:1\r\n*1\r\n$1\r\na\r\n",
    b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n",
    b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
    b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$1\r\nb\r\n",
    b"%1\r\n+proto\r\n:3\r\n",
    b"+1700000000.1 [0 x] SET\r\n",
]
ASKED_OF_POSTGRES = [
    b"\0\0\0\x08\x04\xd2\x16\x2f",
    b"\0\0\0\x0d\0\3\0\0user\0",
    message(b"Q", b"INSERT INTO t\0"),
    message(b"Q", b"COMMIT\0"),
    message(b"P", b"\0SELECT 1\0\0\0"),
    message(b"P", b"p\0INSERT INTO t\0\0\0"),
    message(b"B", b"\0\0" + b"\0" * 6),
    message(b"B", b"c\0p\0" + b"\0" * 6 + b"x" * 20_000),
    message(b"E", b"\0" * 5),
    message(b"E", b"c\0" + b"\0" * 4),
    message(b"D", b"P\0"),
    message(b"C", b"Sp\0"),
    message(b"F", b"\0" * 8),
    message(b"d", b"row"),
    message(b"c"),
    message(b"H"),
    SYNC,
]
SAID_BY_POSTGRES = [
    b"N",
    b"S",
    message(b"R", b"\0\0\0\0"),
    message(b"1"),
    message(b"2"),
    message(b"T", b"\0\0"),
    message(b"D", b"\0\0"),
    message(b"C", b"INSERT 0 1\0"),
    message(b"E", b"C42601\0Mno\0\0"),
    message(b"E", b"SERROR\0C26000\0M" + OURS + b"\0\0"),
    message(b"s"),
    message(b"G", b"\0\0\0"),
    message(b"N", b"\0"),
    message(b"A", b"\0\0\0\1\0\0"),
    message(b"S", b"a\0b\0"),
    message(b"Z", b"I"),
    message(b"Z", b"T"),
]

Said = list[tuple[bool, bytes, int]]


def said(client: list[bytes], server: list[bytes]) -> st.SearchStrategy[Said]:
    """Draw who speaks, what, and where it is cut; garbage is rare."""
    asked, answered = st.sampled_from(client), st.sampled_from(server)
    rare = st.binary(max_size=8)
    spoken = st.one_of(*[st.tuples(st.just(True), asked)] * 6, st.tuples(st.just(True), rare))
    heard = st.one_of(*[st.tuples(st.just(False), answered)] * 6, st.tuples(st.just(False), rare))
    return st.lists(
        st.tuples(spoken | heard, st.integers(0, 40)).map(lambda both: (*both[0], both[1])),
        max_size=25,
    )


@pytest.mark.parametrize(
    ("converse", "first", "client", "server"),
    [
        (redis_conversation, b"", ASKED_OF_REDIS, SAID_BY_REDIS),
        (postgres_conversation, ASKED_OF_POSTGRES[1], ASKED_OF_POSTGRES, SAID_BY_POSTGRES),
        (postgres_conversation, b"", ASKED_OF_POSTGRES, SAID_BY_POSTGRES),
    ],
    ids=["Redis", "Postgres", "Postgres from its startup on"],
)
@pytest.mark.parametrize("times", sized("conversations"))
def test_no_conversation_raises_or_goes_on_behind_its_end(
    converse: Callable[[Rules], Conversation],
    first: bytes,
    client: list[bytes],
    server: list[bytes],
    times: int,
) -> None:
    checked: list[int] = []

    @settings(deadline=None, max_examples=times, database=None)
    @given(said(client, server), st.lists(RULES, max_size=4))
    def check(spoken: Said, declared: list[Rule]) -> None:
        converses(Heard(converse(rules := Rules())).client(first), rules, first, spoken, declared)
        checked.append(len(spoken))

    check()

    assert len(checked) >= times // 2


def converses(heard: Heard, rules: Rules, first: bytes, spoken: Said, declared: list[Rule]) -> None:
    """Let a conversation pass, with a rule that is declared from time to time."""
    declared = list(declared)
    there, back = first, b""
    for number, (by_client, text, cut) in enumerate(spoken):
        if number % 3 == 2 and declared:
            rules.add(declared.pop())
        for piece in (text[:cut], text[cut:]):
            _ = heard.client(piece) if by_client else heard.server(piece)
        there, back = (there + text, back) if by_client else (there, back + text)
    ends = [place for place, (what, _) in enumerate(heard.done) if what in {"reset", "close"}]

    assert ends in ([], [len(heard.done) - 1])
    struck = any(rule.struck for rule in rules.requests + rules.replies)
    if not struck:
        assert there.startswith(heard.to_server)
        assert back.startswith(heard.to_client)
    if not (rules.requests or rules.replies):
        assert (heard.to_server, heard.to_client) == (there, back)
