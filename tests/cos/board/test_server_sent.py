import asyncio

from redis.asyncio import Redis

from cos.board.server_sent import server_sent
from cos.events.feed import LiveFeed, Reader

LONG = 30.0


async def _yes() -> bool:
    return True


async def test_a_stream_begins_with_how_soon_to_come_back_and_names_what_changed() -> None:
    reader = Reader()
    stream = server_sent(reader, interval=0, keep_alive=LONG, is_allowed=_yes)
    first = await anext(stream)
    reader.tell("modules", "events")

    assert first == "retry: 1000\n\n"
    assert await anext(stream) == "event: events\ndata: -\n\nevent: modules\ndata: -\n\n"

    await stream.aclose()


async def test_a_quiet_stream_tells_the_summary_now_and_then() -> None:
    stream = server_sent(Reader(), interval=0, keep_alive=0.001, is_allowed=_yes)
    _ = await anext(stream)

    assert [await anext(stream) for _ in range(2)] == ["event: summary\ndata: -\n\n"] * 2

    await stream.aclose()


async def test_a_stream_ends_at_once_when_the_server_stops() -> None:
    feed = LiveFeed(Redis())
    with feed.reader() as waiting, feed.reader() as resting:
        quiet = server_sent(waiting, interval=LONG, keep_alive=LONG, is_allowed=_yes)
        busy = server_sent(resting, interval=LONG, keep_alive=LONG, is_allowed=_yes)
        _ = await anext(quiet), await anext(busy)
        resting.tell("modules")
        _ = await anext(busy)
        next_ones = [asyncio.create_task(anext(stream, None)) for stream in (quiet, busy)]
        await asyncio.wait(next_ones, timeout=0)
        feed.close()
        ends = await asyncio.wait_for(asyncio.gather(*next_ones), LONG)
    with feed.reader() as late:
        after = [
            part
            async for part in server_sent(late, interval=LONG, keep_alive=LONG, is_allowed=_yes)
        ]

    assert (ends, after) == ([None, None], ["retry: 1000\n\n"])


async def test_a_stream_ends_when_who_reads_it_may_not_any_more() -> None:
    answers = iter([True, True, False])

    async def asked() -> bool:
        return next(answers)

    stream = server_sent(Reader(), interval=0, keep_alive=0.001, is_allowed=asked)
    told = [text async for text in stream]

    assert len(told) == 3
    assert list(answers) == []


async def test_whether_it_may_is_not_asked_more_often_than_a_quiet_stream_speaks() -> None:
    async def asked() -> bool:
        raise AssertionError

    reader = Reader()
    stream = server_sent(reader, interval=0, keep_alive=LONG, is_allowed=asked)
    _ = await anext(stream)
    told = []
    for _number in range(50):
        reader.tell("modules")
        told.append(await anext(stream))

    assert len(told) == 50

    await stream.aclose()
