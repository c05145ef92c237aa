"""What a module last said about its health."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cos.db.declarative import Base
from cos.models.health_state import HealthState, as_text

if TYPE_CHECKING:
    from cos.models.module import Module

__all__ = ["HealthStatus"]


class HealthStatus(Base):
    """The last report of one module: at most one row for each, overwritten by every heartbeat."""

    __tablename__ = "health_statuses"
    # The index behind it serves the heartbeat's upsert and the cascade of a deleted module.
    __table_args__ = (UniqueConstraint("module_id"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    module_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("modules.id", ondelete="CASCADE"))
    status: Mapped[HealthState] = mapped_column(
        as_text(HealthState, "status"),
        default=HealthState.UNKNOWN,
    )
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)
    last_updated: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())

    module: Mapped["Module"] = relationship(back_populates="health", lazy="raise_on_sql")
