"""Trying pooled connections before they are handed out, with as few round trips as that needs."""

import select
import time
from typing import Any, Final

from psycopg import Error
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

__all__ = ["with_tried_connections"]

# Seconds.
TRUSTED: Final = 1.0
LAST_USED: Final = "cos last used"


def with_tried_connections(engine: Engine, *, trusted: float = TRUSTED) -> None:
    """Let ``engine`` hand out no connection that its server has closed.

    One that comes from the pool is asked for an answer, unless it was used less than ``trusted``
    seconds ago: then a look at its socket is enough, where its end stands as soon as the server, or
    what is in between, closed it. Only a server that vanished since then without a word is not
    noticed. Where one is found dead, all that were made before are replaced.
    """

    @event.listens_for(engine, "checkin")
    def note(_connection: object, record: Any) -> None:
        record.info[LAST_USED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def try_out(connection: Any, record: Any, _fairy: object) -> None:
        last_used = record.info.pop(LAST_USED, None)
        if last_used is None:
            return  # just made
        try:
            idle = time.monotonic() - last_used
            if idle >= trusted or _has_something_to_read(connection.driver_connection.fileno()):
                engine.dialect.do_ping(connection)
        except Error as error:
            if not (connection.closed or connection.broken):
                raise
            raise InvalidatePoolError from error


def _has_something_to_read(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    # Nothing was asked: it is the end, an error, or a notice.
    return bool(poll.poll(0))
