"""Events that a group could not handle."""

import uuid
from datetime import datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Identity,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from cos.db.declarative import Base

__all__ = ["DeadLetter"]


class DeadLetter(Base):
    """An event that one group gave up on, or an entry of a stream that is no event.

    ``fields`` are those of the stream's entry (`cos.events.event.to_fields`). The columns beside it
    are NULL where there is no event; ``entry`` then says where it stood. ``replays`` counts the
    replays that failed; one that succeeds deletes the row.
    """

    __tablename__ = "dead_letters"
    __table_args__ = (
        UniqueConstraint("group_name", "event_id"),
        UniqueConstraint("group_name", "entry"),
        Index(None, "group_name", "id"),
        # What subscribers ask for each second.
        Index(
            None,
            "group_name",
            "replay_requested_at",
            postgresql_where="replay_requested_at IS NOT NULL",
        ),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    group_name: Mapped[str] = mapped_column(String(64))
    event_id: Mapped[uuid.UUID | None]
    module_id: Mapped[uuid.UUID | None]
    sequence: Mapped[int | None] = mapped_column(BigInteger)
    type: Mapped[str | None] = mapped_column(String(64))
    occurred_at: Mapped[datetime | None]
    fields: Mapped[dict[str, str]] = mapped_column(JSON)
    entry: Mapped[str | None] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer)
    replays: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    first_failed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_failed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    replay_requested_at: Mapped[datetime | None]
