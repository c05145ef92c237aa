import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.events.event import Event, MalformedEventError, to_fields
from cos.events.subscribing.entry import Entry, read_event, shown

EVENT = Event(
    id=uuid.UUID(int=1),
    type="health.changed",
    module_id=uuid.UUID(int=2),
    sequence=3,
    occurred_at=datetime(2030, 1, 1, tzinfo=UTC),
    payload={"text": "a\0b", "snake": "\N{SNAKE}"},
)
FIELDS = {name.encode(): value.encode() for name, value in to_fields(EVENT).items()}


def test_an_entry_holds_the_event_that_was_written() -> None:
    assert read_event(FIELDS) == EVENT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"id", b"\xff"),
        (b"sequence", str(2**63).encode()),
        (b"version", b"32768"),
        (b"type", b"x" * 65),
        (b"type", b"a\0b"),
        (b"correlation", b"x" * 129),
        (b"time", b"0001-01-01T00:00:00+14:00"),
        (b"time", b"9999-12-31T23:59:59-14:00"),
        (b"payload", b'{"a": NaN}'),
        (b"payload", b'{"a":' * 100_000),
    ],
    ids=str,
)
def test_what_the_tables_cannot_hold_is_no_event(field: bytes, value: bytes) -> None:
    with pytest.raises(MalformedEventError):
        read_event({**FIELDS, field: value})


def test_a_payload_that_grew_in_the_database_is_still_an_event() -> None:
    # The database writes 1e300 as 301 digits.
    longest = b'{"a": [' + b",".join([b"1" + b"0" * 300] * 500) + b"]}"

    assert len(read_event({**FIELDS, b"payload": longest}).payload["a"]) == 500


@given(st.dictionaries(st.binary(max_size=20), st.binary(max_size=200), max_size=10))
def test_whatever_stands_in_a_stream_is_an_event_or_malformed(fields: dict[bytes, bytes]) -> None:
    with pytest.raises(MalformedEventError):
        read_event(fields)


@given(st.dictionaries(st.binary(), st.binary(max_size=200), max_size=50))
def test_whatever_stands_in_a_stream_can_be_stored(fields: dict[bytes, bytes]) -> None:
    text = shown(fields)

    assert len(text) <= 32
    assert all("\0" not in name + value for name, value in text.items())
    assert str(text).encode("utf-8")


def test_a_place_names_stream_and_entry() -> None:
    assert Entry("cos:events:3", "17-0", {}).place == "cos:events:3/17-0"
