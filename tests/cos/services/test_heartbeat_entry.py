import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.models import HealthState
from cos.services.heartbeat_entry import (
    MAX_AHEAD,
    Arrival,
    MalformedHeartbeatError,
    in_order,
    read,
)
from cos.services.transitions import MOMENT, Heard

NOW = datetime(2030, 5, 1, 12, tzinfo=UTC)
MODULE = UUID(int=7)
FIELDS = {b"module": str(MODULE).encode()}
HEALTHY = HealthState.HEALTHY
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text("abc\N{SNAKE}", max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=9,
)


def test_the_time_is_that_of_the_entry_to_the_microsecond() -> None:
    found = [read(f"1000-{number}".encode(), FIELDS).heard.at for number in (0, 7, 5_000)]
    begin = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)

    assert found == [begin, begin + 7 * MOMENT, begin + 999 * MOMENT]


def test_status_and_details_may_be_left_out_and_other_fields_are_passed_over() -> None:
    found = read(b"0-1", {**FIELDS, b"later": b"\xff"})

    assert (found.module_id, found.heard.status, found.heard.details) == (MODULE, HEALTHY, {})


@given(st.dictionaries(st.text("abc"), JSON, max_size=4), st.sampled_from(HealthState))
def test_what_was_sent_is_read(details: dict[str, Any], status: HealthState) -> None:
    fields = {
        **FIELDS,
        b"status": status.value.encode(),
        b"details": json.dumps(details).encode(),
    }

    assert read(b"0-1", fields) == Arrival(
        MODULE, Heard(datetime(1970, 1, 1, tzinfo=UTC) + MOMENT, status, details)
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "the field module is missing"),
        ({b"module": b"ada"}, "the field module is no UUID"),
        ({b"module": b"\xff"}, "the field module is no UUID"),
        ({**FIELDS, b"status": b"ill"}, "the field status is no state"),
        ({**FIELDS, b"status": b"\xff"}, "the field status is no state"),
        ({**FIELDS, b"details": b"{"}, "the field details is no JSON"),
        ({**FIELDS, b"details": b"\xff"}, "the field details is no JSON"),
        ({**FIELDS, b"details": b"[]"}, "the field details is no JSON object"),
        ({**FIELDS, b"details": b'{"a": NaN}'}, "the field details is no JSON"),
        ({**FIELDS, b"details": b'{"a": "\\u0000"}'}, "the field details is no JSON"),
        ({**FIELDS, b"details": b"[" * 100_000}, "the field details is no JSON"),
        ({**FIELDS, b"details": b'{"a": "%s"}' % (b"x" * 65_536)}, "the field details is no JSON"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_heartbeat_is_refused_with_the_field(
    fields: dict[bytes, bytes], reason: str
) -> None:
    with pytest.raises(MalformedHeartbeatError, match=reason):
        read(b"0-1", fields)


@given(st.dictionaries(st.sampled_from([b"module", b"status", b"details"]), st.binary()))
def test_any_bytes_are_a_heartbeat_or_refused(fields: dict[bytes, bytes]) -> None:
    try:
        found = read(b"0-1", fields)
    except MalformedHeartbeatError:
        return

    assert isinstance(found, Arrival)


def test_a_time_that_can_be_right_is_kept_and_another_is_that_of_the_arrival() -> None:
    given_ = [NOW - MAX_AHEAD, NOW + MAX_AHEAD, NOW + MAX_AHEAD + MOMENT]
    found = in_order([Heard(at, HEALTHY) for at in given_], last=None, now=NOW)

    assert [report.at for report in found] == [
        NOW - MAX_AHEAD,
        NOW + MAX_AHEAD,
        NOW + MAX_AHEAD + MOMENT,
    ]
    alone = in_order([Heard(NOW + timedelta(days=999), HEALTHY)], last=None, now=NOW)
    assert [report.at for report in alone] == [NOW]


def test_an_entry_of_a_time_beyond_every_calendar_has_the_time_of_its_arrival() -> None:
    late = read(b"18446744073709551615-1", FIELDS).heard
    found = in_order([late, late], last=NOW, now=NOW)

    assert [report.at for report in found] == [NOW + MOMENT, NOW + 2 * MOMENT]


@given(st.lists(st.integers(-10, 10).map(lambda hours: NOW + timedelta(hours=hours))))
def test_no_time_is_far_ahead_and_those_that_can_be_right_stay(times: list[datetime]) -> None:
    found = in_order([Heard(at, HEALTHY) for at in times], last=None, now=NOW)

    assert all(report.at <= NOW + MAX_AHEAD + len(times) * MOMENT for report in found)
    assert [report.at for report, at in zip(found, times, strict=True) if at <= NOW] == [
        at for at in times if at <= NOW
    ]
