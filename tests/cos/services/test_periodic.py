import asyncio
import logging

import pytest
from sqlalchemy.exc import OperationalError

from cos.services.periodic import repeat


async def test_work_goes_on_through_an_outage_with_one_line_about_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[int] = []

    async def work(stop: asyncio.Event) -> None:
        calls.append(len(calls))
        if len(calls) == 4:
            stop.set()
        else:
            raise OperationalError("SELECT 1", {}, ValueError("the server is gone"))

    with caplog.at_level(logging.WARNING):
        await repeat(work, asyncio.Event(), interval=0.001, name="the watch")
    (line,) = [record.getMessage() for record in caplog.records]

    assert len(calls) == 4
    assert line.startswith("the watch failed, 1 times since the last such line: ")


async def test_a_fault_ends_the_work() -> None:
    async def work(_stop: asyncio.Event) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await repeat(work, asyncio.Event(), interval=0.001, name="the watch")
