"""The outbox: events that were committed with what they tell of."""

import uuid
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Connection,
    Identity,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    event,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from cos.db.declarative import Base

__all__ = ["NOTIFICATION", "OutboxEvent"]

NOTIFICATION: Final = "cos_events"


class OutboxEvent(Base):
    """An event of `cos.events`, and whether it was published.

    ``position`` is the order of insertion: of one module it is the order of the sequence, between
    modules it says nothing of whose transaction committed first. There is no foreign key to the
    module, which the event outlives. ``stream_id`` is the entry's id in the partition's stream. A
    commit of new rows notifies ``NOTIFICATION``.
    """

    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("id"),
        UniqueConstraint("module_id", "sequence"),
        CheckConstraint("sequence > 0", name="sequence"),
        # What the relay asks for; as small as the backlog.
        Index(
            None,
            "partition",
            "position",
            postgresql_where="published_at IS NULL",
        ),
        Index(None, "published_at"),
    )

    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    id: Mapped[uuid.UUID] = mapped_column(default=uuid.uuid4)
    module_id: Mapped[uuid.UUID]
    sequence: Mapped[int] = mapped_column(BigInteger)
    partition: Mapped[int] = mapped_column(SmallInteger)
    type: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(SmallInteger)
    occurred_at: Mapped[datetime] = mapped_column(server_default=func.now())
    correlation_id: Mapped[str] = mapped_column(String(128))
    payload: Mapped[dict[str, Any]]
    published_at: Mapped[datetime | None]
    stream_id: Mapped[str | None] = mapped_column(String(41))


@event.listens_for(OutboxEvent.__table__, "after_create")
def _notify(_table: object, connection: Connection, **_how: object) -> None:
    # Once for each statement and sent at the commit: a rolled back event wakes nobody.
    connection.exec_driver_sql(
        "CREATE FUNCTION cos_notify_events() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN PERFORM pg_notify('{NOTIFICATION}', ''); RETURN NULL; END $$"
    )
    connection.exec_driver_sql(
        "CREATE TRIGGER notify AFTER INSERT ON events"
        " FOR EACH STATEMENT EXECUTE FUNCTION cos_notify_events()"
    )


@event.listens_for(OutboxEvent.__table__, "after_drop")
def _notify_no_more(_table: object, connection: Connection, **_how: object) -> None:
    connection.exec_driver_sql("DROP FUNCTION cos_notify_events()")
