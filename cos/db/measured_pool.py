"""A pool of connections that knows how many wait for one."""

from typing import Any

from sqlalchemy import AsyncAdaptedQueuePool, PoolProxiedConnection

__all__ = ["MeasuredPool"]


class MeasuredPool(AsyncAdaptedQueuePool):
    """SQLAlchemy's pool for asyncio, with a count of those that are being given a connection.

    ``acquiring`` is more than a moment above zero when the pool is exhausted, or when the server is
    slow to answer. It belongs to one event loop.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.acquiring = 0

    def connect(self) -> PoolProxiedConnection:
        """Return a connection, waited for as long as the pool is configured to."""
        self.acquiring += 1
        try:
            return super().connect()
        finally:
            self.acquiring -= 1
