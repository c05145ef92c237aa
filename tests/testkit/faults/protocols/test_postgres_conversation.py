"""Messages of Postgres: the same in pieces of any size, and what rules do to them."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testkit.faults.protocols.conversation import postgres_conversation
from testkit.faults.protocols.postgres_messages import OURS, SYNC, WRONG_BIND
from testkit.faults.protocols.rules import Answer, Break, Cut, Delay, Drop, Rule, Rules
from tests.support.conversing import Heard, pieces

if TYPE_CHECKING:
    from testkit.faults.protocols.rules import Action

CUTS = st.lists(st.integers(1, 600), max_size=30)
BYTES = st.binary(max_size=60) | st.just(b"x" * 2000)
STARTUP = b"\0\0\0\x0d\0\3\0\0user\0"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def query(sql: bytes) -> bytes:
    return message(b"Q", sql + b"\0")


def parse(sql: bytes, name: bytes = b"") -> bytes:
    return message(b"P", name + b"\0" + sql + b"\0\0\0")


def bind(name: bytes = b"", values: bytes = b"", portal: bytes = b"") -> bytes:
    return message(b"B", portal + b"\0" + name + b"\0" + b"\0" * 6 + values)


def execute(portal: bytes = b"") -> bytes:
    return message(b"E", portal + b"\0\0\0\0\0")


def extended(sql: bytes, values: bytes = b"") -> bytes:
    return parse(sql) + bind(values=values) + message(b"D", b"P\0") + execute()


READY = message(b"Z", b"I")
ROWS = message(b"T", b"\0\0") + message(b"D", b"\0\0") * 3
PARSED, BOUND = message(b"1"), message(b"2")


def done(tag: bytes) -> bytes:
    return message(b"C", tag + b"\0")


def error(text: bytes) -> bytes:
    return message(b"E", b"SERROR\0VERROR\0C26000\0M" + text + b"\0\0")


NOTICE, CHANGED = message(b"N", b"Mhello\0\0"), message(b"S", b"TimeZone\0UTC\0")
NOTIFIED = message(b"A", b"\0\0\0\1a\0b\0")

NAMES = st.sampled_from([b"SELECT 1", b"INSERT INTO outbox VALUES (1)", b"COMMIT"])
#: What a client asks with one unit, and what the server answers.
UNITS = st.one_of(
    NAMES.map(lambda sql: (sql, query(sql), ROWS + done(b"X") + READY)),
    st.tuples(NAMES, BYTES).map(
        lambda both: (
            both[0],
            extended(*both) + SYNC,
            PARSED + BOUND + ROWS + NOTICE + done(b"X") + READY,
        )
    ),
)


def rule(name: str, action: Action, *, on: str = "request", nth: int | None = 1) -> Rule:
    return Rule(name, "request" if on == "request" else "reply", name, action, nth)


def conversation(*declared: Rule) -> Heard:
    """Return a conversation that has begun."""
    rules = Rules()
    heard = Heard(postgres_conversation(rules)).client(STARTUP)
    heard.server(message(b"R", b"\0\0\0\0") + CHANGED + READY)
    heard.done.clear()
    for each in declared:
        rules.add(each)
    return heard


def garbage_notes(heard: Heard) -> int:
    return len([note for note in heard.notes if isinstance(note, tuple) and note[1] == "garbage"])


@settings(max_examples=40, deadline=None)
@given(st.lists(UNITS, max_size=8), CUTS, CUTS)
def test_messages_are_the_same_in_any_pieces(
    units: list[tuple[bytes, bytes, bytes]], there: list[int], back: list[int]
) -> None:
    client, server = b"".join(u[1] for u in units), b"".join(u[2] for u in units)
    heard = conversation().client(*pieces(client, there)).server(*pieces(server, back))
    whole = conversation().client(client).server(server)

    assert (heard.to_server, heard.to_client) == (client, server)
    assert heard.notes == whole.notes
    assert len(heard.notes) == 2 * len(units)


@settings(max_examples=40, deadline=None)
@given(st.lists(UNITS, max_size=8), CUTS)
def test_a_dropped_unit_is_dropped_whole_and_alone(
    units: list[tuple[bytes, bytes, bytes]], cuts: list[int]
) -> None:
    heard = conversation(rule("INSERT", Drop(), nth=None))
    heard.client(*pieces(b"".join(unit[1] for unit in units), cuts))

    assert heard.to_server == b"".join(u[1] for u in units if not u[0].startswith(b"INSERT"))
    assert heard.to_client == b""


@settings(max_examples=40, deadline=None)
@given(st.lists(UNITS, max_size=8), CUTS)
def test_a_lost_reply_is_lost_whole_and_alone(
    units: list[tuple[bytes, bytes, bytes]], cuts: list[int]
) -> None:
    heard = conversation(rule("COMMIT", Drop(), on="reply", nth=None))
    heard.client(*[unit[1] for unit in units])
    heard.server(*pieces(b"".join(unit[2] for unit in units), cuts))

    assert heard.to_client == b"".join(unit[2] for unit in units if unit[0] != b"COMMIT")


@settings(max_examples=40, deadline=None)
@given(st.lists(UNITS, max_size=8), CUTS, CUTS)
def test_an_answered_statement_fails_at_the_server_in_its_place(
    units: list[tuple[bytes, bytes, bytes]], there: list[int], back: list[int]
) -> None:
    ours = message(b"E", b"C40001\0\0")
    heard = conversation(rule("INSERT", Answer(ours), nth=None))
    heard.client(*pieces(b"".join(unit[1] for unit in units), there))
    struck = [unit[0].startswith(b"INSERT") for unit in units]
    server = [error(OURS) + READY if s else u[2] for s, u in zip(struck, units, strict=True)]
    heard.server(*pieces(b"".join(server), back))

    asked = [WRONG_BIND + SYNC if s else u[1] for s, u in zip(struck, units, strict=True)]
    answers = [ours + READY if s else u[2] for s, u in zip(struck, units, strict=True)]
    assert heard.to_server == b"".join(asked)
    assert heard.to_client == b"".join(answers)


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200), CUTS, st.booleans())
def test_garbage_passes_and_is_noted_once(garbage: bytes, cuts: list[int], listening: bool) -> None:  # noqa: FBT001
    data = query(b"SELECT 1") + b"?" + b"\0\0\0\1" + garbage
    declared = [rule("INSERT", Drop()), rule("INSERT", Drop(), on="reply")] * listening
    client = conversation(*declared).client(*pieces(data, cuts))
    server = conversation(*declared).server(*pieces(ROWS + data[-5:], cuts))

    assert client.to_server == data
    assert server.to_client == ROWS + data[-5:]
    assert garbage_notes(client) == 1


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), CUTS, st.booleans(), st.booleans())
def test_no_bytes_at_all_are_lost_or_raise(
    client: bytes,
    server: bytes,
    cuts: list[int],
    listening: bool,  # noqa: FBT001
    begun: bool,  # noqa: FBT001
) -> None:
    rules = Rules()
    heard = conversation() if begun else Heard(postgres_conversation(rules))
    heard.client(*pieces(client, cuts)).server(*pieces(server, cuts))

    assert (heard.to_server, heard.to_client) == (client, server)
    declared = [rule("INSERT", Drop()), rule("INSERT", Drop(), on="reply")] * listening
    strict = conversation(*declared).client(*pieces(client, cuts)).server(*pieces(server, cuts))
    assert client.startswith(strict.to_server)
    assert server.startswith(strict.to_client)


KINDS = st.sampled_from([bytes([kind]) for kind in b"QPBDECFSHdcfpX"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(KINDS, st.binary(max_size=20)), max_size=12), CUTS, st.booleans())
def test_messages_with_nonsense_in_them_pass(
    messages: list[tuple[bytes, bytes]],
    cuts: list[int],
    listening: bool,  # noqa: FBT001
) -> None:
    data = b"".join(message(*each) for each in messages)
    heard = conversation(*[rule("INSERT", Drop())] * listening).client(*pieces(data, cuts))
    heard.client(SYNC)

    assert heard.to_server == data + SYNC


@pytest.mark.parametrize("answer", [b"N", b"S", b"E"])
def test_a_question_for_encryption_is_answered_by_one_byte(answer: bytes) -> None:
    heard = Heard(postgres_conversation(Rules()))
    heard.client(struct.pack(">II", 8, 80877103))
    following = {b"N": READY, b"S": b"\x16\x03\x01tls", b"E": message(b"E", b"Mno\0\0")[1:]}[answer]
    heard.server(answer)
    if answer == b"N":
        heard.client(STARTUP)
    heard.server(following).client(b"\x16\x03\x01" if answer == b"S" else b"")

    assert heard.to_client == answer + following
    assert garbage_notes(heard) == (answer == b"S")
    assert ("reply to startup" in heard.texts) == (answer == b"N")


def test_a_cancel_request_passes() -> None:
    data = struct.pack(">IIII", 16, 80877102, 1, 2)
    heard = Heard(postgres_conversation(Rules())).client(data[:9], data[9:])

    assert heard.to_server == data
    assert heard.texts == ["request cancel"]


def test_a_prepared_statement_is_known_by_its_name() -> None:
    insert = parse(b"insert into outbox values ($1)", b"p1")
    heard = conversation().client(insert + SYNC).server(PARSED + READY)
    heard.conversation._requests._shared.rules.add(rule("INSERT", Drop()))  # type: ignore[attr-defined]
    heard.client(bind(b"p1") + execute() + SYNC, query(b"SELECT 1"))

    assert heard.to_server == insert + SYNC + query(b"SELECT 1")
    assert heard.texts == ["request insert outbox".replace("insert", "INSERT"), "request SELECT"]


def test_in_a_pipeline_the_rest_of_the_unit_is_skipped_by_the_server() -> None:
    ours = message(b"E", b"C40001\0\0")
    heard = conversation(rule("INSERT", Answer(ours)))
    heard.client(extended(b"SELECT 1") + extended(b"INSERT INTO t"), extended(b"COMMIT") + SYNC)
    heard.server(PARSED + BOUND + ROWS + done(b"SELECT 3") + error(OURS) + READY)

    assert heard.to_server == extended(b"SELECT 1") + WRONG_BIND + SYNC
    assert heard.to_client == PARSED + BOUND + ROWS + done(b"SELECT 3") + ours + READY


def test_an_error_of_the_server_before_it_stands() -> None:
    heard = conversation(rule("INSERT", Answer(message(b"E", b"C40001\0\0"))))
    heard.client(extended(b"SELECT 1/0") + extended(b"INSERT INTO t") + SYNC)
    heard.server(PARSED + error(b"division by zero") + READY)

    assert heard.to_client == PARSED + error(b"division by zero") + READY


def test_a_commit_that_fails_has_ended_its_transaction() -> None:
    ours = message(b"E", b"C40001\0\0")
    heard = conversation(rule("COMMIT", Answer(ours)))
    heard.client(query(b"END"))
    heard.server(PARSED + BOUND + CHANGED + done(b"ROLLBACK") + error(OURS) + READY)

    assert b"ROLLBACK" in heard.to_server
    assert heard.to_client == CHANGED + ours + READY


def test_what_belongs_to_no_reply_is_not_lost_with_it() -> None:
    heard = conversation(rule("INSERT", Drop(), on="reply"))
    heard.client(query(b"INSERT INTO t")).server(NOTICE + done(b"INSERT"), NOTIFIED + CHANGED)
    heard.server(READY + NOTICE)

    assert heard.to_client == NOTICE + NOTIFIED + CHANGED + NOTICE


def test_a_copy_waits_for_its_second_sync() -> None:
    heard = conversation(rule("SELECT", Drop(), on="reply"))
    heard.client(extended(b"COPY t FROM STDIN") + SYNC).server(
        PARSED + BOUND + message(b"G", b"\0\0\0")
    )
    heard.client(message(b"d", b"row") + message(b"c") + SYNC).server(done(b"COPY 1") + READY)
    heard.client(query(b"SELECT 1")).server(ROWS + done(b"SELECT 3") + READY)

    assert heard.to_client.endswith(done(b"COPY 1") + READY)


@pytest.mark.parametrize("on", ["request", "reply"])
def test_a_delay_stands_before_its_statement(on: str) -> None:
    heard = conversation(rule("INSERT", Delay(0.5), on=on))
    there, back = extended(b"INSERT INTO t") + SYNC, PARSED + BOUND + done(b"INSERT") + READY
    heard.client(query(b"SELECT 1") + there).server(done(b"SELECT") + READY + back)
    first = ("to_server", query(b"SELECT 1")), ("hold to_server", 0.5), ("to_server", there)
    second = ("to_client", done(b"SELECT") + READY), ("hold to_client", 0.5), ("to_client", back)

    asked = list(first) if on == "request" else [("to_server", query(b"SELECT 1") + there)]
    assert heard.acts == asked + (
        list(second) if on == "reply" else [("to_client", done(b"SELECT") + READY + back)]
    )


@pytest.mark.parametrize(("after", "there"), [(0, 0), (3, 3), (4000, 33)])
def test_a_reply_is_cut_after_so_many_bytes(after: int, there: int) -> None:
    heard = conversation(rule("INSERT", Cut(after), on="reply")).client(query(b"INSERT INTO t"))
    heard.server(ROWS[:9], ROWS[9:], READY)

    assert heard.to_client == (ROWS + READY)[: min(after, len(ROWS + READY))]
    assert heard.done[-1] == ("close", None)
    assert there <= len(ROWS + READY)


@pytest.mark.parametrize("on", ["request", "reply"])
def test_a_reset_comes_behind_what_was_before(on: str) -> None:
    heard = conversation(rule("INSERT", Break(), on=on))
    heard.client(query(b"SELECT 1") + query(b"INSERT INTO t")).server(done(b"x") + READY)
    heard.server(done(b"INSERT"))

    assert heard.done[-1] == ("reset", None)
    assert heard.to_server.endswith(query(b"SELECT 1" if on == "request" else b"INSERT INTO t"))


@pytest.mark.parametrize("size", [100_000, 1_500_000])
@pytest.mark.parametrize("step", [50_000, 65_536, 4_000_000])
def test_a_long_message_is_struck_by_its_beginning(size: int, step: int) -> None:
    heard = conversation(rule("INSERT", Drop(), nth=None))
    long, short = b"x" * size, extended(b"SELECT 1") + SYNC
    data = extended(b"INSERT INTO t", long) + SYNC + short + query(b"INSERT " + long) + short
    heard.client(*[data[n : n + step] for n in range(0, len(data), step)])

    assert heard.to_server == short + short
