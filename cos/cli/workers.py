"""Several processes that serve the same sockets."""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any, Final

__all__ = ["supervise"]

LOGGER: Final = logging.getLogger(__name__)
# Not forked: a worker begins without the threads, locks and connections of anybody else.
SPAWN: Final = multiprocessing.get_context("spawn")
# Seconds before a worker that ended soon after its start is replaced, the last one for ever.
PAUSES: Final = (0.0, 0.5, 2.0, 10.0)
SOON: Final = 10.0


def supervise(number: int, work: Callable[..., None], *arguments: Any) -> None:
    """Keep ``number`` processes at ``work`` until SIGTERM or Ctrl-C; end them then, and return.

    A worker that ends by itself is replaced. A further signal is passed on too. When this process
    is killed, the workers are asked to end by themselves. ``work`` and ``arguments`` are pickled;
    sockets among them stay open in both.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    running: list[SpawnProcess] = []
    failures, started = 0, 0.0
    try:
        while True:
            while len(running) < number:
                process = SPAWN.Process(target=_work, args=(work, *arguments))
                running.append(process)
                started = time.monotonic()
                process.start()
            wait([process.sentinel for process in running])
            failures = failures + 1 if time.monotonic() - started < SOON else 0
            pause = PAUSES[min(failures, len(PAUSES) - 1)]
            for process in [one for one in running if not one.is_alive()]:
                LOGGER.error(
                    "Worker %s ended with exit code %s and is replaced in %g s.",
                    process.pid,
                    process.exitcode,
                    pause,
                )
                running.remove(process)
            time.sleep(pause)
    except KeyboardInterrupt:
        _end(running)


def _end(running: list[SpawnProcess]) -> None:
    while True:
        try:
            for process in running:
                if process.pid is not None and process.is_alive():
                    process.terminate()
            for process in running:
                if process.pid is not None:
                    process.join()
        except KeyboardInterrupt:
            continue  # asked again: so are they
        return


def _work(work: Callable[..., None], *arguments: Any) -> None:
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    work(*arguments)


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
