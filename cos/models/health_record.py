"""The history of health."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Identity, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from cos.db.declarative import Base
from cos.models.health_state import HealthReason, HealthState, as_text

__all__ = ["HealthRecord"]


class HealthRecord(Base):
    """One heartbeat, or the moment at which a module was found silent; never changed, only pruned.

    ``status`` is what was reported, ``previous`` the state that was announced when it was stored.
    No two records of a module have the same ``at``. Rows are inserted soon after their ``at``: the
    order of ``id`` is nearly that of ``at``. So the primary key serves the pruning, and there is no
    index on ``at`` alone.
    """

    __tablename__ = "health_records"
    # The page of one module, the cascade of a deleted one, and what came twice stands here once.
    __table_args__ = (UniqueConstraint("module_id", "at"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    module_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("modules.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    status: Mapped[HealthState] = mapped_column(as_text(HealthState, "status"))
    previous: Mapped[HealthState] = mapped_column(as_text(HealthState, "previous"))
    reason: Mapped[HealthReason] = mapped_column(as_text(HealthReason, "reason"))
    details: Mapped[dict[str, Any]]
