"""The registered modules."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import BigInteger, Index, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cos.db.declarative import Base

if TYPE_CHECKING:
    from cos.models.health_status import HealthStatus

__all__ = ["UNIQUE_NAME", "Module"]

UNIQUE_NAME: Final = "uq_modules_name"


class Module(Base):
    """A part of the system that registers and sends heartbeats.

    ``last_active`` is the time of the last heartbeat; ``updated_at`` moves with the module's own
    fields only. Both clocks are the database's.
    """

    __tablename__ = "modules"
    __table_args__ = (
        UniqueConstraint("name", name=UNIQUE_NAME),
        # The pages of `cos.services.modules.page`, all modules or those of one activity. There is
        # no index on last_active: without one, a heartbeat stays a heap-only update.
        Index(None, "created_at", "id"),
        Index(None, "active", "created_at", "id"),
    )
    # Without it, updated_at would be expired after an UPDATE, and reading it would be a query.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - no ClassVar in SQLAlchemy's types

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(50))
    active: Mapped[bool] = mapped_column(default=True)
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    last_active: Mapped[datetime | None]
    # How many events there are of this module; raised only under the lock of this row.
    event_sequence: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())

    # Never loaded on the way: an implicit query would fail under asyncio. Postgres deletes the row.
    health: Mapped["HealthStatus | None"] = relationship(
        back_populates="module",
        cascade="save-update, merge, delete, delete-orphan",
        lazy="raise_on_sql",
        passive_deletes=True,
    )
