import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cos.events.event import (
    MAX_PAYLOAD_BYTES,
    PARTITIONS,
    Event,
    EventType,
    MalformedEventError,
    encode_payload,
    from_fields,
    partition_of,
    stream_name,
    to_fields,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=6,
)


def _hours(number: int) -> timezone:
    return timezone(timedelta(hours=number))


EVENTS = st.builds(
    Event,
    id=st.uuids(),
    type=st.sampled_from([*EventType, "module.of_a_younger_service"]).map(str),
    module_id=st.uuids(),
    sequence=st.integers(1, 2**63 - 1),
    # By their offsets: an hour that a zone has twice equals no other time, as Python has it.
    occurred_at=st.datetimes(timezones=st.integers(-23, 23).map(_hours)),
    payload=st.dictionaries(st.text(), JSON, max_size=3),
    correlation_id=st.text(max_size=128),
    version=st.integers(1, 9),
)
FIELDS = {
    "id": "6f2a3f0e-6a50-4c3b-9a52-0d7e8f7f0a11",
    "type": "module.removed",
    "version": "1",
    "module": "00000000-0000-0000-0000-000000000001",
    "sequence": "3",
    "time": "2026-11-30T12:00:00+00:00",
    "correlation": "-",
    "payload": "{}",
}


@given(EVENTS)
def test_an_event_comes_back_from_its_fields(event: Event) -> None:
    fields = to_fields(event)
    back = from_fields(fields)

    assert back == event
    assert fields["payload"].isascii()


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_named(name: str) -> None:
    fields = {key: value for key, value in FIELDS.items() if key != name}

    with pytest.raises(MalformedEventError, match=f"the field {name} is missing"):
        from_fields(fields)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x"},
        {"version": "0"},
        {"version": "one"},
        {"sequence": "0"},
        {"sequence": "-1"},
        {"sequence": "9" * 5_000},
        {"module": ""},
        {"time": "yesterday"},
        {"time": "2026-11-30T12:00:00"},
        {"payload": "{"},
        {"payload": "[]"},
        {"payload": "[" * 100_000},
    ],
    ids=str,
)
def test_a_field_that_cannot_be_read_is_named(changes: Mapping[str, str]) -> None:
    (name,) = changes

    with pytest.raises(MalformedEventError, match=name):
        from_fields({**FIELDS, **changes})


def test_a_field_of_a_younger_service_is_passed_over() -> None:
    assert from_fields({**FIELDS, "colour": "red"}) == from_fields(FIELDS)


@given(st.uuids())
def test_a_module_has_one_partition_for_ever(module_id: UUID) -> None:
    assert partition_of(module_id) == partition_of(UUID(str(module_id))) < PARTITIONS
    assert stream_name(partition_of(module_id)) == f"cos:events:{partition_of(module_id)}"


@pytest.mark.parametrize(
    ("module_id", "partition"), [(UUID(int=0), 5), (UUID(int=1), 3), (UUID(int=2**128 - 1), 2)]
)
def test_the_partition_of_a_module_is_a_contract(module_id: UUID, partition: int) -> None:
    assert partition_of(module_id) == partition


def test_modules_are_spread_over_the_partitions() -> None:
    found = {partition_of(UUID(int=number)) for number in range(200)}

    assert found == set(range(PARTITIONS))


def test_a_payload_has_a_limit() -> None:
    longest: dict[str, Any] = {
        "config": "x" * (MAX_PAYLOAD_BYTES - len(json.dumps({"config": ""})) + 1)
    }

    assert len(encode_payload(longest)) == MAX_PAYLOAD_BYTES
    with pytest.raises(ValueError, match=f"at most {MAX_PAYLOAD_BYTES} bytes, not 131073"):
        encode_payload({"config": longest["config"] + "x"})


def test_the_time_of_an_event_keeps_its_offset() -> None:
    event = from_fields({**FIELDS, "time": "2026-11-30T12:00:00.000001+02:00"})

    assert event.occurred_at == datetime.fromisoformat("2026-11-30T10:00:00.000001+00:00")
