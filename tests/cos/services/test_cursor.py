import base64
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.services.cursor import Position, decode, encode
from cos.services.errors import InvalidCursorError

SOME = Position(datetime(2026, 11, 23, 20, 1, 2, 345_678, tzinfo=UTC), UUID(int=42))
TIMES = st.datetimes(timezones=st.just(UTC))
POSITIONS = st.builds(Position, created_at=TIMES, id=st.uuids())


@given(POSITIONS)
def test_a_position_comes_back_exactly(position: Position) -> None:
    assert decode(encode(position)) == position


@given(POSITIONS)
def test_a_cursor_needs_no_escaping_in_a_url(position: Position) -> None:
    text = encode(position)

    assert len(text) == 32
    assert all(character.isalnum() or character in "-_" for character in text)


@given(POSITIONS, POSITIONS)
def test_two_positions_never_share_a_cursor(first: Position, second: Position) -> None:
    assert (encode(first) == encode(second)) == (first == second)


@given(TIMES, st.uuids(), st.integers(-23, 23))
def test_a_time_in_another_zone_is_the_same_position(
    time: datetime, module_id: UUID, hours: int
) -> None:
    time = time.replace(year=2000, day=1)
    elsewhere = time.astimezone(timezone(timedelta(hours=hours)))

    assert encode(Position(elsewhere, module_id)) == encode(Position(time, module_id))


@given(st.text(max_size=200))
def test_any_text_is_a_cursor_or_is_refused(text: str) -> None:
    try:
        position = decode(text)
    except InvalidCursorError:
        return

    assert encode(position) == text


@given(st.binary(min_size=24, max_size=24))
def test_any_24_bytes_are_a_cursor_or_are_refused(packed: bytes) -> None:
    text = base64.urlsafe_b64encode(packed).decode()
    try:
        position = decode(text)
    except InvalidCursorError:
        return

    assert encode(position) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "null",
        "A" * 31,
        "A" * 33,
        "A" * 31 + "=",
        "A" * 30 + "==",
        "A" * 31 + "+",
        "A" * 31 + "/",
        "A" * 31 + " ",
        "A" * 31 + "\n",
        "A" * 31 + "\0",
        "A" * 31 + "é",
        "A" * 31 + "\ud800",
        encode(SOME) + "A",
        encode(SOME)[:-1],
        " " + encode(SOME)[1:],
    ],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursorError, match="next_cursor"):
        decode(text)


@pytest.mark.parametrize("first_byte", [b"\x7f", b"\x80"])
def test_a_time_beyond_the_calendar_is_refused(first_byte: bytes) -> None:
    packed = first_byte + b"\xff" * 7 + bytes(16)

    with pytest.raises(InvalidCursorError):
        decode(base64.urlsafe_b64encode(packed).decode())


@pytest.mark.parametrize(
    "time",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_the_ends_of_the_calendar_come_back(time: datetime) -> None:
    position = Position(time, UUID(int=2**128 - 1))

    assert decode(encode(position)) == position
