"""How far each group has come with the events of each module."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, func
from sqlalchemy.orm import Mapped, mapped_column

from cos.db.declarative import Base

__all__ = ["Subscription"]


class Subscription(Base):
    """The progress of one group with one module: events up to ``sequence`` are done.

    Whoever handles the next one holds the lock of this row. ``attempts``, ``first_failed_at`` and
    ``not_before`` are about the event ``failed_sequence``, and say nothing once that is done. There
    is no foreign key to the module, which its events outlive.
    """

    __tablename__ = "subscriptions"

    group_name: Mapped[str] = mapped_column(
        ForeignKey("subscription_groups.name", ondelete="CASCADE"), primary_key=True
    )
    module_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    failed_sequence: Mapped[int | None] = mapped_column(BigInteger)
    attempts: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    first_failed_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
