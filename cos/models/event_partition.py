"""The partitions of the events."""

from sqlalchemy import SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from cos.db.declarative import Base

__all__ = ["EventPartition"]


class EventPartition(Base):
    """One partition, which one relay at a time publishes: the one that holds this row's lock.

    ``last_stream_id`` is the entry that was appended last, as far as it was marked; a stream that
    does not reach it lost entries. The migration makes the rows, one for each partition.
    """

    __tablename__ = "event_partitions"

    partition: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last_stream_id: Mapped[str | None] = mapped_column(String(41))
