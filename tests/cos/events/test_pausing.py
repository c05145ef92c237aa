import asyncio

from cos.events.pausing import pause


async def test_a_pause_ends_when_it_is_asked_to_or_by_itself() -> None:
    stop = asyncio.Event()
    await pause(stop, 0.001)
    asyncio.get_running_loop().call_soon(stop.set)
    async with asyncio.timeout(10):
        await pause(stop, 3_600)

    assert stop.is_set()


async def test_what_happened_already_is_not_waited_for() -> None:
    happened = asyncio.Event()
    happened.set()
    async with asyncio.timeout(10):
        await pause(happened, 3_600)
        await pause(happened, 0)

    assert happened.is_set()
