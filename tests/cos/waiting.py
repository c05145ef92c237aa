"""Waiting until the servers are in a state that a test has built."""

import asyncio
from collections.abc import Callable

from sqlalchemy.orm import Session

from tests.support.waiting import wait_until

__all__ = ["until", "until_somebody_waits"]

WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as the condition holds; the loop goes on meanwhile."""
    await asyncio.to_thread(wait_until, condition)


async def until_somebody_waits(session: Session) -> None:
    """Return as soon as another session of this test's database waits for a lock."""

    def found() -> object:
        # Within one transaction the answer would stay the same.
        session.rollback()
        return session.connection().exec_driver_sql(WAITING).scalar()

    await until(found)
    session.rollback()
