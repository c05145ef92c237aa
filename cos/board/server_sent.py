"""Server-sent events: telling an open page what to ask for again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from cos.events.feed import Reader

__all__ = ["server_sent"]


async def server_sent(
    reader: Reader,
    *,
    interval: float,
    keep_alive: float,
    is_allowed: Callable[[], Awaitable[bool]],
) -> AsyncGenerator[str]:
    """Yield server-sent events: one for each topic that changed, named after it, without meaning.

    At most one batch in ``interval`` seconds, the first at once. After ``keep_alive`` quiet seconds
    the summary is told again: it has ages in it, and a dead connection is noticed. Ends when the
    reader is closed; the browser comes back by itself, after a second, to whoever serves then.
    Whether it may still listen is asked every ``keep_alive`` seconds: a stream has no end of its
    own, and a token may be revoked meanwhile.
    """
    clock = asyncio.get_running_loop().time
    checked = clock()
    yield "retry: 1000\n\n"
    while True:
        topics = await reader.changed(within=keep_alive) or ["summary"]
        if reader.closed:
            return
        if clock() >= checked + keep_alive:
            if not await is_allowed():
                return
            checked = clock()
        yield "".join(f"event: {topic}\ndata: -\n\n" for topic in topics)
        await reader.rest(interval)
