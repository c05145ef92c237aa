"""What waits in one direction, and when it is due."""

from __future__ import annotations

from testkit.faults.lane import Lane


def taken(lane: Lane, now: float) -> list[str]:
    """Take everything that is due."""
    found = []
    while (item := lane.ready(now)) is not None:
        found.append(bytes(item.data).decode() or item.what)
        if item.what == "reset":
            break
        lane.sent(len(item.data))
    return found


def test_nothing_overtakes() -> None:
    lane = Lane()
    lane.put("data", 3.0, b"slow")
    lane.put("data", 1.0, b"fast")

    assert taken(lane, 2.0) == []
    assert taken(lane, 3.0) == ["slow", "fast"]


def test_a_part_that_was_sent_is_gone() -> None:
    lane = Lane()
    lane.put("data", 0.0, b"abcdef")
    assert lane.ready(0.0) is not None
    lane.sent(2)

    assert taken(lane, 0.0) == ["cdef"]


def test_what_is_held_is_not_ready_whatever_the_time() -> None:
    lane = Lane()
    lane.put("data", 0.0, b"a")
    lane.held = True

    assert (lane.ready(100.0), lane.due()) == (None, None)


def test_a_pause_puts_off_what_follows() -> None:
    lane = Lane()
    lane.put("data", 0.0, b"before")
    lane.put("pause", 5.0)
    lane.put("data", 0.0, b"behind")

    assert taken(lane, 0.0) == ["before"]
    assert lane.due() == 5.0
    assert taken(lane, 5.0) == ["behind"]


def test_a_reset_that_is_due_destroys_what_waits_in_front_of_it() -> None:
    lane = Lane()
    lane.put("data", 0.0, b"not taken yet")
    lane.put("reset", 0.0)

    assert taken(lane, 0.0) == ["reset"]


def test_hurry_spares_a_pause() -> None:
    lane = Lane()
    lane.put("data", 60.0, b"put off")
    lane.put("pause", 70.0)
    lane.put("data", 0.0, b"behind the pause")
    lane.hurry(1.0, ends=True)

    assert taken(lane, 1.0) == ["put off"]
    assert taken(lane, 70.0) == ["behind the pause"]


def test_hurry_spares_the_end_of_a_stream_that_closes_slowly() -> None:
    lane = Lane()
    lane.put("data", 60.0, b"put off")
    lane.put("close", 70.0)
    lane.hurry(1.0, ends=False)
    data = taken(lane, 1.0)
    lane.hurry(1.0, ends=True)

    assert (data, taken(lane, 1.0)) == (["put off"], ["close"])


def test_what_is_not_ready_is_due_later() -> None:
    lane = Lane()
    lane.put("data", 1.0, b"a")

    assert [(lane.ready(t) is None, lane.due()) for t in (0.999, 1.0)] == [
        (True, 1.0),
        (False, 1.0),
    ]


def test_a_full_lane_has_no_room() -> None:
    lane = Lane()
    lane.put("data", 0.0, b"x" * 2_000_000)
    full = lane.has_room
    lane.sent(2_000_000)

    assert (full, lane.has_room) == (False, True)
