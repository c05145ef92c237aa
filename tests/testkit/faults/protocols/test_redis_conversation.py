"""RESP: which reply belongs to which command, in pieces of any size, and what rules do to both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testkit.faults.protocols.conversation import redis_conversation
from testkit.faults.protocols.rules import Answer, Break, Cut, Delay, Drop, Rule, Rules
from tests.support.conversing import Heard, pieces

if TYPE_CHECKING:
    from testkit.faults.protocols.rules import Action

WORDS = st.binary(max_size=40) | st.sampled_from([b"\r\n", b"*1\r\n$4\r\nPING\r\n", b"x" * 3000])
NAMES = st.sampled_from([b"SET", b"get", b"PUBLISH", b"XADD", b"MULTI", b"EXEC", b"CLIENT"])
COMMANDS = st.builds(lambda name, words: [name, *words], NAMES, st.lists(WORDS, max_size=5))


def command(*words: bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def _aggregate(mark: bytes) -> object:
    return lambda items: mark + b"%d\r\n" % len(items) + b"".join(items)


def _pairs(mark: bytes) -> object:
    return lambda items: mark + b"%d\r\n" % len(items) + b"".join(k + v for k, v in items)


LINES = st.sampled_from(
    [
        b"+OK\r\n",
        b"-ERR no\r\n",
        b":12\r\n",
        b"_\r\n",
        b"#t\r\n",
        b",1.5\r\n",
        b"(" + b"9" * 50 + b"\r\n",
    ]
)
BULKS = st.builds(lambda text: b"$%d\r\n%s\r\n" % (len(text), text), WORDS)
NULLS = st.sampled_from(
    [b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"=7\r\ntxt:abc\r\n", b"!5\r\nERR x\r\n"]
)
STREAMED = st.builds(
    lambda chunks: b"$?\r\n" + b"".join(b";%d\r\n%s\r\n" % (len(c), c) for c in chunks) + b";0\r\n",
    st.lists(st.binary(min_size=1, max_size=20), max_size=3),
)
SCALARS = LINES | BULKS | NULLS | STREAMED


def _nested(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    some = st.lists(inner, max_size=4)
    pairs = st.lists(st.tuples(inner, inner), max_size=3)
    return (
        some.map(lambda items: b"*%d\r\n" % len(items) + b"".join(items))
        | some.map(lambda items: b"~%d\r\n" % len(items) + b"".join(items))
        | some.map(lambda items: b"*?\r\n" + b"".join(items) + b".\r\n")
        | pairs.map(lambda items: b"%%%d\r\n" % len(items) + b"".join(k + v for k, v in items))
        | pairs.map(lambda items: b"%?\r\n" + b"".join(k + v for k, v in items) + b".\r\n")
        | st.tuples(pairs, inner).map(
            lambda both: b"|%d\r\n" % len(both[0]) + b"".join(k + v for k, v in both[0]) + both[1]
        )
    )


REPLIES = st.recursive(SCALARS, _nested, max_leaves=6)
CUTS = st.lists(st.integers(1, 400), max_size=30)


def rule(name: str, action: Action, *, on: str = "request", nth: int | None = 1) -> Rule:
    return Rule(name, "request" if on == "request" else "reply", name, action, nth)


def conversation(*declared: Rule) -> Heard:
    rules = Rules()
    for each in declared:
        rules.add(each)
    return Heard(redis_conversation(rules))


@settings(max_examples=40, deadline=None)
@given(st.lists(COMMANDS, max_size=12), CUTS)
def test_commands_are_the_same_in_any_pieces(commands: list[list[bytes]], cuts: list[int]) -> None:
    data = b"".join(command(*words) for words in commands)
    heard = conversation().client(*pieces(data, cuts))

    assert heard.to_server == data
    assert heard.notes == conversation().client(data).notes
    assert len(heard.notes) == len(commands)


@settings(max_examples=40, deadline=None)
@given(st.lists(COMMANDS, max_size=12), CUTS)
def test_a_rule_takes_out_its_command_and_nothing_else(
    commands: list[list[bytes]], cuts: list[int]
) -> None:
    data = b"".join(command(*words) for words in commands)
    kept = b"".join(command(*words) for words in commands if words[0] != b"get")
    heard = conversation(rule("GET", Drop(), nth=None)).client(*pieces(data, cuts))

    assert heard.to_server == kept
    assert heard.to_client == b""


@settings(max_examples=40, deadline=None)
@given(st.lists(REPLIES, max_size=10), CUTS)
def test_replies_are_the_same_in_any_pieces(replies: list[bytes], cuts: list[int]) -> None:
    data = b"".join(replies)
    heard = conversation().client(command(b"GET", b"a") * len(replies))
    heard.server(*pieces(data, cuts))

    assert heard.to_client == data
    assert heard.texts == ["request GET"] * len(replies) + ["reply to GET"] * len(replies)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), REPLIES), max_size=10), CUTS)
def test_a_lost_reply_is_lost_whole_and_alone(
    replies: list[tuple[bool, bytes]], cuts: list[int]
) -> None:
    heard = conversation(rule("GET", Drop(), on="reply", nth=None))
    heard.client(*[command(b"GET" if lost else b"TTL", b"key") for lost, _ in replies])
    heard.server(*pieces(b"".join(reply for _, reply in replies), cuts))

    assert heard.to_client == b"".join(reply for lost, reply in replies if not lost)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.booleans(), REPLIES), max_size=10), CUTS)
def test_an_answer_comes_in_its_turn(replies: list[tuple[bool, bytes]], cuts: list[int]) -> None:
    error = b"-READONLY no\r\n"
    heard = conversation(rule("SET", Answer(error), nth=None))
    heard.client(*[command(b"SET" if ours else b"GET", b"key") for ours, _ in replies])
    heard.server(*pieces(b"".join(reply for ours, reply in replies if not ours), cuts))

    assert heard.to_client == b"".join(error if ours else reply for ours, reply in replies)
    assert heard.to_server == command(b"GET", b"key") * sum(not ours for ours, _ in replies)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), CUTS)
def test_garbage_of_a_server_passes_and_is_noted_once(garbage: bytes, cuts: list[int]) -> None:
    data = b"+OK\r\n?" + garbage
    heard = conversation().client(command(b"PING")).server(*pieces(data, cuts))

    assert heard.to_client == data
    assert [note for note in heard.notes if note[1] == "garbage"] == [  # type: ignore[index]
        ("bytes of the server that are no RESP: passed on unread from here", "garbage", False)
    ]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), CUTS, st.booleans())
def test_garbage_of_a_client_passes_and_is_noted_once(
    garbage: bytes,
    cuts: list[int],
    listening: bool,  # noqa: FBT001
) -> None:
    data = command(b"PING") + b"\x16\x03\x01" + garbage
    heard = conversation(*[rule("SET", Drop())] * listening).client(*pieces(data, cuts))

    assert heard.to_server == data
    assert len([note for note in heard.notes if note[1] == "garbage"]) == 1  # type: ignore[index]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), CUTS, st.booleans())
def test_no_bytes_at_all_are_lost_or_raise(
    client: bytes,
    server: bytes,
    cuts: list[int],
    listening: bool,  # noqa: FBT001
) -> None:
    heard = conversation().client(*pieces(client, cuts)).server(*pieces(server, cuts))

    assert (heard.to_server, heard.to_client) == (client, server)
    rules = [rule("SET", Drop()), rule("SET", Drop(), on="reply")] * listening
    strict = conversation(*rules).client(*pieces(client, cuts)).server(*pieces(server, cuts))
    assert client.startswith(strict.to_server)
    assert server.startswith(strict.to_client)


def test_the_third_is_the_third_since_the_declaration() -> None:
    heard = conversation()
    heard.client(command(b"SET", b"a", b"1"))
    third = rule("SET", Drop(), nth=3)
    heard.conversation._requests._shared.rules.add(third)  # type: ignore[attr-defined]
    heard.client(*[command(b"SET", b"a", b"%d" % n) for n in range(2, 7)])

    assert heard.to_server == b"".join(command(b"SET", b"a", b"%d" % n) for n in (1, 2, 3, 5, 6))
    assert (third.struck, third.seen) == (1, 3)


def test_two_rules_for_the_next_take_the_next_two() -> None:
    heard = conversation(rule("SET", Drop()), rule("SET", Delay(2.0)))
    heard.client(command(b"SET", b"a") + command(b"SET", b"b") + command(b"SET", b"c"))

    assert heard.acts == [
        ("hold to_server", 2.0),
        ("to_server", command(b"SET", b"b") + command(b"SET", b"c")),
    ]


def test_a_reply_that_is_awaited_already_can_be_lost() -> None:
    heard = conversation().client(command(b"XREADGROUP", b"GROUP", b"g"))
    heard.conversation._requests._shared.rules.add(rule("XREADGROUP", Drop(), on="reply"))  # type: ignore[attr-defined]
    heard.client(command(b"GET", b"a")).server(b"*-1\r\n$1\r\na\r\n")

    assert heard.to_client == b"$1\r\na\r\n"


def test_the_reply_that_waits_lets_what_follows_wait() -> None:
    heard = conversation(rule("GET", Delay(0.5), on="reply"))
    heard.client(command(b"SET", b"a", b"1") + command(b"GET", b"a")).server(b"+OK\r\n$1\r\n1\r\n")

    assert heard.acts[1:] == [
        ("to_client", b"+OK\r\n"),
        ("hold to_client", 0.5),
        ("to_client", b"$1\r\n1\r\n"),
    ]


@pytest.mark.parametrize(("after", "there"), [(0, b""), (3, b"$1\r"), (99, b"$1\r\n1\r\n")])
def test_a_reply_is_cut_after_so_many_bytes(after: int, there: bytes) -> None:
    heard = conversation(rule("GET", Cut(after), on="reply"))
    heard.client(command(b"PING") + command(b"GET", b"a") + command(b"PING"))
    heard.server(b"+PONG\r\n$1", b"\r\n1", b"\r\n+PONG\r\n").client(command(b"PING"))

    assert heard.to_client == b"+PONG\r\n" + there
    assert heard.done[-1] == ("close", None)


@pytest.mark.parametrize("on", ["request", "reply"])
def test_a_reset_comes_behind_what_was_before(on: str) -> None:
    heard = conversation(rule("GET", Break(), on=on))
    heard.client(command(b"PING") + command(b"GET", b"a"))
    heard.server(b"+PONG\r\n$1\r\n1\r\n")

    assert heard.done[-1] == ("reset", None)
    assert heard.to_client == (b"+PONG\r\n" if on == "reply" else b"")


def test_an_error_in_a_transaction_makes_exec_fail() -> None:
    heard = conversation(rule("SET", Answer(b"-READONLY no\r\n"), nth=2))
    heard.client(
        command(b"MULTI") + command(b"SET", b"a") + command(b"SET", b"b") + command(b"EXEC")
    )
    heard.server(b"+OK\r\n", b"+QUEUED\r\n", b"+OK\r\n")
    heard.client(command(b"SET", b"c")).server(b"+OK\r\n")

    assert heard.to_server == b"".join(
        [command(b"MULTI"), command(b"SET", b"a"), command(b"DISCARD"), command(b"SET", b"c")]
    )
    assert heard.to_client == (
        b"+OK\r\n+QUEUED\r\n-READONLY no\r\n"
        b"-EXECABORT Transaction discarded because of previous errors.\r\n+OK\r\n"
    )


def test_an_exec_that_is_answered_leaves_no_transaction() -> None:
    heard = conversation(rule("EXEC", Answer(b"-BUSY x\r\n")))
    heard.client(command(b"MULTI") + command(b"EXEC")).server(b"+OK\r\n+OK\r\n")

    assert heard.to_server == command(b"MULTI") + command(b"DISCARD")
    assert heard.to_client == b"+OK\r\n-BUSY x\r\n"


def confirmed(word: bytes, *channels: bytes, mark: bytes = b"*") -> bytes:
    one = mark + b"3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n:1\r\n"
    return b"".join(one % (len(word), word, len(name), name) for name in channels)


MESSAGE = b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"


@pytest.mark.parametrize("cuts", [range(0), range(400)])
@pytest.mark.parametrize("mark", [b"*", b">"])
def test_messages_and_confirmations_are_told_from_replies(mark: bytes, cuts: range) -> None:
    message = mark + MESSAGE[1:]
    heard = conversation()
    if mark == b">":
        heard.client(command(b"HELLO", b"3")).server(b"%1\r\n+proto\r\n:3\r\n")
    heard.client(command(b"SUBSCRIBE", b"a", b"b"), command(b"PING"), command(b"UNSUBSCRIBE"))
    heard.client(command(b"GET", b"k"))
    stream = [
        confirmed(b"subscribe", b"a", b"b", mark=mark),
        message,
        b"+PONG\r\n",
        message,
        confirmed(b"unsubscribe", b"a", b"b", mark=mark),
        MESSAGE,
    ]
    heard.server(*pieces(b"".join(stream), cuts))

    replies = [text for text in heard.texts if text.startswith("reply") and "HELLO" not in text]
    assert replies == [f"reply to {name}" for name in ("SUBSCRIBE", "PING", "UNSUBSCRIBE", "GET")]
    assert heard.to_client.endswith(b"".join(stream))


def test_all_confirmations_of_a_subscribe_are_its_reply() -> None:
    heard = conversation(rule("SUBSCRIBE", Drop(), on="reply"))
    heard.client(command(b"SUBSCRIBE", b"a", b"b"))
    heard.server(confirmed(b"subscribe", b"a", b"b") + MESSAGE)

    assert heard.to_client == MESSAGE


def test_commands_without_replies_are_counted_out() -> None:
    heard = conversation()
    heard.client(
        command(b"CLIENT", b"REPLY", b"SKIP"), command(b"SET", b"a"), command(b"GET", b"b")
    )
    heard.client(command(b"CLIENT", b"REPLY", b"OFF"), command(b"SET", b"c"))
    heard.client(command(b"CLIENT", b"REPLY", b"ON"), command(b"TTL", b"d"))
    heard.server(b"$-1\r\n", b"+OK\r\n", b":-2\r\n")

    replies = [text for text in heard.texts if text.startswith("reply")]
    assert replies == ["reply to GET", "reply to CLIENT REPLY", "reply to TTL"]


def test_what_a_monitor_sees_is_no_reply() -> None:
    heard = conversation(rule("PING", Drop(), on="reply"))
    heard.client(command(b"MONITOR")).server(b'+OK\r\n+1700000000.1 [0 x] "SET"\r\n')
    heard.client(command(b"PING")).server(b'+1700000000.1 [0 x] "SET"\r\n+PONG\r\n')

    assert heard.to_client == b"+OK\r\n" + b'+1700000000.1 [0 x] "SET"\r\n' * 2


def test_inline_commands_are_commands() -> None:
    heard = conversation(rule("SET", Drop()))
    heard.client(b"PI", b"NG\r\n\r\nset a 1\r\n*0\r\nget a\n").server(b"+PONG\r\n$-1\r\n")

    assert heard.to_server == b"PING\r\n\r\n*0\r\nget a\n"
    assert heard.texts == [
        "request PING",
        "request SET",
        "request GET",
        "reply to PING",
        "reply to GET",
    ]


@pytest.mark.parametrize("size", [70_000, 1_500_000])
@pytest.mark.parametrize("step", [50_000, 65_536, 3_000_000])
def test_a_long_value_is_struck_by_its_beginning(size: int, step: int) -> None:
    heard = conversation(rule("SET", Drop()))
    data = command(b"SET", b"a", b"x" * size, b"EX", b"1") + command(b"GET", b"a")
    data += command(b"SET", b"b", b"y" * size)
    heard.client(*[data[n : n + step] for n in range(0, len(data), step)])

    assert heard.to_server == command(b"GET", b"a") + command(b"SET", b"b", b"y" * size)
    assert heard.texts == ["request SET", "request GET", "request SET"]


def test_a_long_value_is_not_kept() -> None:
    heard = conversation(rule("GET", Drop()))
    heard.client(b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$900000000\r\n" + b"x" * 1000)
    heard.client(b"x" * 100_000)

    assert len(heard.to_server) == 101_032
