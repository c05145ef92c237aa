import json
from datetime import UTC
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from cos.events.event import Event, to_fields
from cos.events.publishing.live import live_message

EVENTS = st.builds(
    Event,
    id=st.uuids(),
    type=st.sampled_from(["module.changed", "of.tomorrow"]),
    module_id=st.uuids(),
    sequence=st.integers(1, 2**62),
    occurred_at=st.datetimes(timezones=st.just(UTC)),
    payload=st.dictionaries(
        st.text(max_size=5), st.none() | st.booleans() | st.text(max_size=9), max_size=3
    ),
    correlation_id=st.from_regex(r"[A-Za-z0-9._-]{1,9}", fullmatch=True),
)


@given(EVENTS)
def test_a_message_says_what_the_entry_says_with_numbers_and_an_object(event: Event) -> None:
    message = live_message(to_fields(event))
    told = json.loads(message)

    assert message.isascii()
    assert told == {
        "id": str(event.id),
        "type": event.type,
        "version": event.version,
        "module": str(event.module_id),
        "sequence": event.sequence,
        "time": event.occurred_at.isoformat(),
        "correlation": event.correlation_id,
        "payload": dict(event.payload),
    }
    assert UUID(told["id"]) == event.id
