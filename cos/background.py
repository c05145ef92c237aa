"""Work that goes on beside the requests, for as long as the application runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import chain, repeat
from types import TracebackType
from typing import Final, Self

from cos.events.correlation import correlate
from cos.events.pausing import pause

__all__ = ["Background", "Job"]

LOGGER: Final = logging.getLogger(__name__)
# Seconds before a job that failed is started again, the last one for ever.
PAUSES: Final = (0.1, 0.5, 2.0, 10.0, 30.0)
# A job that ran for so long, in seconds, begins with the first pause again.
SOUND_AFTER: Final = 60.0

Job = Callable[[asyncio.Event], Awaitable[None]]
"""Works until the event is set, and returns soon after that, its work in order."""


class Background:
    """Runs jobs by name while its context is entered.

    A job that raises is logged and started again after a pause that grows; the others go on. At the
    end every job is asked to stop, and cancelled if it has not after ``grace`` seconds.
    """

    def __init__(
        self, jobs: Mapping[str, Job], *, grace: float, pauses: tuple[float, ...] = PAUSES
    ) -> None:
        self._jobs = jobs
        self._grace = grace
        self._pauses = pauses
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start the jobs."""
        self._tasks = [
            asyncio.create_task(self._keep(name, job), name=f"cos {name}")
            for name, job in self._jobs.items()
        ]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the jobs, and wait until each has ended."""
        self._stop.set()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=self._grace)
        for task in late:
            LOGGER.warning(
                "%s did not stop within %g s and is cut off", task.get_name(), self._grace
            )
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, name: str, job: Job) -> None:
        correlate(name)
        clock = asyncio.get_running_loop().time
        pauses = self._growing()
        while not self._stop.is_set():
            began = clock()
            try:
                await job(self._stop)
            except Exception:
                if clock() - began > SOUND_AFTER:
                    pauses = self._growing()
                seconds = next(pauses)
                LOGGER.exception("%s failed and is started again in %g s", name, seconds)
                await pause(self._stop, seconds)
            else:
                return

    def _growing(self) -> Iterator[float]:
        return chain(self._pauses, repeat(self._pauses[-1]))
