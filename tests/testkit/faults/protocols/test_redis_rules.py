"""Faults of commands of Redis, declared: what is chosen, what happens, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from testkit.core.messages import TestkitError
from testkit.faults.protocols.redis_commands import RedisRequest, known
from testkit.faults.protocols.redis_rules import RedisDeclaration, RedisRules
from testkit.faults.protocols.rules import Answer, Break, Cut, Delay, Drop, Rule

if TYPE_CHECKING:
    from collections.abc import Callable


def declared() -> RedisRules[Rule]:
    return RedisRules(lambda rule: rule)


def request(*words: bytes) -> RedisRequest:
    frame = b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)
    return RedisRequest(known(words[0]), frame)


def test_what_declares_a_rule_gets_it_and_gives_the_fault() -> None:
    seen: list[Rule] = []

    def declare(rule: Rule) -> str:
        seen.append(rule)
        return "the fault"

    assert RedisRules(declare).request("publish", key="events").nth(3).dropped() == "the fault"
    assert str(seen[0].text) == "request('publish', key='events').nth(3).dropped()"
    assert (seen[0].listens, seen[0].name, seen[0].nth) == ("request", "PUBLISH", 3)


def test_nothing_is_declared_before_it_is_said_what_happens() -> None:
    seen: list[Rule] = []
    chosen = RedisRules(seen.append).reply("SET")
    every = chosen.every()

    assert seen == []
    assert "lacks what is to happen" in repr(chosen)
    chosen.lost()
    every.lost()
    assert [rule.nth for rule in seen] == [1, None]


@pytest.mark.parametrize(
    ("end", "action", "said"),
    [
        (lambda reply: reply.lost(), Drop(), "lost()"),
        (lambda reply: reply.dropped(), Drop(), "lost()"),
        (lambda reply: reply.delayed(0.25), Delay(0.25), "delayed(0.25)"),
        (lambda reply: reply.reset(), Break(), "reset()"),
        (lambda reply: reply.cut(after=3), Cut(3), "cut(after=3)"),
    ],
)
def test_what_happens_to_a_reply(
    end: Callable[[RedisDeclaration[Rule]], Rule], action: object, said: str
) -> None:
    rule = end(declared().reply("GET").every())

    assert rule.action == action
    assert rule.text == f"reply('GET').every().{said}"


def test_an_answer_is_an_error_on_one_line() -> None:
    rule = declared().request("SET").answered("READONLY You can't write.")

    assert rule.action == Answer(b"-READONLY You can't write.\r\n")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("a", (b"SET", b"a", b"1")),
        (b"a", (b"mget", b"a", b"b")),
        ("a", (b"XREADGROUP", b"GROUP", b"g", b"c", b"STREAMS", b"a", b">")),
        ("a", (b"XREAD", b"COUNT", b"1", b"streams", b"a", b"b", b"0", b"0")),
        ("a", (b"EVAL", b"return 1", b"1", b"a")),
        ("a", (b"BITOP", b"AND", b"a", b"b")),
        ("a", (b"BLMPOP", b"0", b"1", b"a", b"LEFT")),
        ("a", (b"XGROUP", b"CREATE", b"a", b"g", b"$")),
        ("a", (b"XINFO", b"STREAM", b"a")),
        ("a", (b"MIGRATE", b"host", b"6379", b"a", b"0", b"10")),
        ("é", (b"GET", "é".encode())),
    ],
)
def test_the_first_key_of_a_command(key: str | bytes, words: tuple[bytes, ...]) -> None:
    name = words[0].decode()
    rule, other = declared().request(name, key=key).lost(), declared().request(name, key="b").lost()

    assert rule.counts(request(*words))
    assert not other.counts(request(*words))


@pytest.mark.parametrize(
    "words",
    [(b"EVAL", b"return 1", b"0", b"a"), (b"PING",), (b"XREAD", b"BLOCK", b"1"), (b"XINFO",)],
)
def test_a_command_without_keys_has_no_key(words: tuple[bytes, ...]) -> None:
    assert request(*words).key is None


def test_a_predicate_gets_words_that_it_may_change() -> None:
    seen = request(b"SET", b"a", b"1")
    rule = declared().request("SET", where=lambda words: words.pop() == b"1").lost()

    assert rule.counts(seen)
    assert seen.arguments == [b"SET", b"a", b"1"]


def test_a_predicate_that_raises_matches_nothing_from_there_on() -> None:
    calls: list[int] = []

    def predicate(words: list[bytes]) -> bool:
        calls.append(len(words))
        raise LookupError("no such thing")

    rule = declared().request("SET", where=predicate).every().lost()

    assert not rule.counts(request(b"SET", b"a"))
    assert not rule.counts(request(b"SET", b"a"))
    assert calls == [2]
    assert isinstance(rule.broken, TestkitError)
    assert "LookupError('no such thing')" in str(rule.broken)
    assert rule.used_up


def test_a_predicate_may_fail_the_test_or_leave_and_breaks_its_own_rule() -> None:
    def predicate(words: list[bytes]) -> bool:
        pytest.fail(f"unexpected: {words[0]!r}")

    rule = declared().request("SET", where=predicate).every().lost()

    assert not rule.counts(request(b"SET", b"a"))
    assert "unexpected: b'SET'" in str(rule.broken)


WRONG: Any = declared()


@pytest.mark.parametrize(
    ("code", "call", "said"),
    [
        ("TK620", lambda: WRONG.request("SET NX EX"), "one word, or two"),
        ("TK620", lambda: WRONG.request(""), "one word, or two"),
        ("TK620", lambda: WRONG.request(b"SET"), "one word, or two"),
        ("TK620", lambda: WRONG.reply("GET", key=7), "text or bytes"),
        ("TK620", lambda: WRONG.reply("GET", where=7), "function of one argument"),
        ("TK620", lambda: WRONG.reply("GET", where=lambda: True), "function of one argument"),
        ("TK621", lambda: WRONG.request("SET").nth(0), "request('SET').nth(0)"),
        ("TK621", lambda: WRONG.request("SET").nth(-1), "number 1"),
        ("TK621", lambda: WRONG.request("SET").nth(True), "number 1"),
        ("TK621", lambda: WRONG.request("SET").nth(1.5), "number 1"),
        ("TK622", lambda: WRONG.request("SET").delayed(-0.1), "not negative"),
        ("TK622", lambda: WRONG.request("SET").delayed(float("nan")), "not negative"),
        ("TK622", lambda: WRONG.request("SET").delayed("1"), "not negative"),
        ("TK622", lambda: WRONG.request("SET").cut(after=1), "only a reply"),
        ("TK622", lambda: WRONG.reply("SET").cut(after=-1), "whole number"),
        ("TK622", lambda: WRONG.reply("SET").answered("ERR no"), "answer a request()"),
        ("TK622", lambda: WRONG.request("SET").answered("no"), "code in capitals"),
        ("TK622", lambda: WRONG.request("SET").answered("ERR a\r\n+OK"), "one line"),
    ],
)
def test_what_cannot_be_declared_is_told(code: str, call: Callable[[], object], said: str) -> None:
    with pytest.raises(TestkitError) as caught:
        call()

    assert caught.value.code == code
    assert said in str(caught.value)
