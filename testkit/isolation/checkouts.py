"""Who has a connection of a pool: since when, where, in which thread and task, in which session."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection

from testkit.system.calling_site import CallingSite, calling_site

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sqlalchemy.pool import PoolProxiedConnection

    from testkit.isolation.followed_pools import Use

__all__ = ["Checkout", "close_sessions"]


class Checkout(NamedTuple):
    """One checkout; ``period`` is of the test that ran."""

    holder: weakref.ref[PoolProxiedConnection | Use]
    site: CallingSite | None
    moment: float
    period: int
    thread: threading.Thread
    task: weakref.ref[asyncio.Task[Any]] | None

    @classmethod
    def of(
        cls, holder: PoolProxiedConnection | Use, *, in_task: bool, period: int, root: str
    ) -> Checkout:
        """Return the one that happens now; sites below ``root`` are told relative to it."""
        task = sys.modules["asyncio"].current_task() if in_task else None
        return cls(
            weakref.ref(holder),
            calling_site(root),
            time.monotonic(),
            period,
            threading.current_thread(),
            weakref.ref(task) if task is not None else None,
        )

    def lasts(self) -> bool:
        """Return whether it has not been returned."""
        return (holder := self.holder()) is not None and holder.is_valid

    def goes_on(self) -> bool:
        """Return whether its task has not ended or, without one, another thread has not."""
        if self.task is not None:
            return (task := self.task()) is not None and not task.done()
        return self.thread is not threading.current_thread() and self.thread.is_alive()

    def __str__(self) -> str:
        task = self.task() if self.task is not None else None
        main = self.thread is threading.main_thread()
        by = "" if main else f", by thread {self.thread.name!r}"
        if task is not None:
            by += f", by task {task.get_name()!r}"
        place = f" at {self.site}" if self.site else ""
        return f"checked out{place} {time.monotonic() - self.moment:.2f} s ago{by}"


def close_sessions(is_held: Callable[[Connection], bool]) -> None:
    """Close the ORM's sessions that hold a synchronous connection of which that is true.

    They can be used again then, as a scoped_session is; of a connection that was ended behind its
    back a session knows nothing. An asynchronous one can be closed only within its loop.
    """
    orm = sys.modules.get("sqlalchemy.orm.session")
    # No public way leads from a connection to its session.
    sessions = list(orm._sessions.values()) if orm is not None else []  # noqa: SLF001 - see above
    for session in sessions:
        with contextlib.suppress(Exception):  # private names, or in use by another thread
            known = session.get_transaction()._connections  # noqa: SLF001 - see above
            held = {each for each in known if isinstance(each, Connection)}
            if any(not each.dialect.is_async and is_held(each) for each in held):
                session.close()
