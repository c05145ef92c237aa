"""What the log tells of requests, retries and faults."""

from __future__ import annotations

from testkit.core.messages import TestkitError
from testkit.faults.fault import Condition, Fault
from testkit.faults.log import Log
from testkit.faults.protocols.rules import Drop, Rule
from testkit.faults.verdict import never_struck


def rule(text: str = "rule") -> Fault:
    return Fault(text, Condition("rule"), lambda _fault: None, "tests/test_a.py:3")


def test_a_request_that_comes_again_behind_a_fault_is_a_retry() -> None:
    log = Log()
    for connection in (1, 2, 3):
        log.note_request("r", connection, 0.0, "request PUBLISH")
        if connection < 3:
            log.note("r", connection, 0.0, "reset", fault=rule())
            log.forget("r", connection)

    assert [e.retry for e in log if e.what == "request PUBLISH"] == [0, 1, 2]


def test_a_request_with_its_answer_is_none() -> None:
    log = Log()
    for _ in range(2):
        log.note_request("r", 1, 0.0, "request PING")
        log.note_reply("r", 1, 0.0, "reply to PING")

    assert [e.retry for e in log] == [0, 0, 0, 0]


def test_a_retry_that_was_answered_is_the_last_one() -> None:
    log = Log()
    log.note_request("r", 1, 0.0, "request GET", fault=rule())
    log.note_request("r", 1, 0.0, "request GET")
    log.note_reply("r", 1, 0.0, "reply to GET")
    log.note_reply("r", 1, 0.0, "reply to GET")
    log.note_request("r", 1, 0.0, "request GET")

    assert [e.retry for e in log if e.what == "request GET"] == [0, 1, 0]


def test_a_request_that_was_dropped_has_not_got_the_reply_to_the_next_one() -> None:
    log, dropped = Log(), rule()
    dropped.rule = Rule("request('SET').dropped()", "request", "SET", Drop())
    log.note_request("r", 1, 0.0, "request SET", fault=dropped)
    log.note_request("r", 1, 0.0, "request GET")
    log.note_reply("r", 1, 0.0, "reply to GET")
    log.note_request("r", 1, 0.0, "request SET")
    log.note_reply("r", 1, 0.0, "reply to SET")
    log.note_request("r", 1, 0.0, "request SET")

    assert [e.retry for e in log if e.what == "request SET"] == [0, 1, 0]


def test_the_table_names_who_when_what_and_the_fault() -> None:
    log = Log()
    log.note("faults.redis", 2, 0.0015, "connected", fault=rule("faults.redis.silence()"))

    assert str(log) == "      1.5 ms  faults.redis #2  connected  <- faults.redis.silence()"


def test_behind_ten_thousand_entries_it_only_counts() -> None:
    log = Log()
    for _ in range(10_002):
        log.note("r", 1, 0.0, "connected")

    assert len(log) == 10_000
    assert log.seen("r") == ["10002 x connected"]
    assert log.tail(1)[-1] == "(2 lines more were only counted)"


def test_a_fault_that_never_struck_is_named_with_what_was_seen_instead() -> None:
    log = Log()
    log.note("a", 1, 0.0, "closed by client (5 bytes)", counted="closed by client")
    struck = rule("struck")
    struck.struck = 1
    declared = [("a", rule("a.reset()")), ("a", struck), ("b", rule("b.refuse()"))]

    assert never_struck(declared, log).splitlines() == [
        "  a.reset(), declared at tests/test_a.py:3",
        "    a saw: 1 x closed by client",
        "  b.refuse(), declared at tests/test_a.py:3",
        "    nobody came to b",
    ]
    assert never_struck(declared[1:2], log) == ""


def test_a_fault_whose_function_raised_is_named_with_its_error_though_it_struck() -> None:
    broken = rule("a.request('SET', where=…).every().dropped()")
    broken.rule = Rule("request('SET', where=…)", "request", "SET", Drop(), nth=None)
    broken.rule.broken = TestkitError("TK629", rule=broken.rule.text, error="KeyError('a')")
    broken.struck = 1
    told = never_struck([("a", broken)], Log())

    assert told.splitlines()[0].startswith("  a.request('SET', where=…).every().dropped()")
    assert "TK629" in told
    assert "KeyError('a')" in told
