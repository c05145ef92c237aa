"""The registered modules."""

import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Connection,
    Index,
    String,
    UniqueConstraint,
    event,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from cos.db.declarative import Base
from cos.models.health_state import HealthState, as_text

if TYPE_CHECKING:
    from cos.models.health_status import HealthStatus

__all__ = ["UNIQUE_NAME", "Module"]

UNIQUE_NAME: Final = "uq_modules_name"
FILL_PERCENT: Final = 80


class Module(Base):
    """A part of the system that registers and sends heartbeats.

    ``last_active`` is the time of the last heartbeat; ``updated_at`` moves with the module's own
    fields only. Both clocks are the database's. ``state`` is the state that was announced last.
    """

    __tablename__ = "modules"
    __table_args__ = (
        UniqueConstraint("name", name=UNIQUE_NAME),
        # The pages of `cos.services.modules.page`, all modules or those of one activity or state.
        # There is no index on last_active: without one, a heartbeat that changes no state stays a
        # heap-only update, and the free space leaves room for it on the row's own page.
        Index(None, "created_at", "id"),
        Index(None, "active", "created_at", "id"),
        Index(None, "state", "created_at", "id"),
        Index(
            "ix_modules_name_trigrams",
            "name",
            postgresql_using="gin",
            postgresql_ops={"name": "gin_trgm_ops"},
        ),
        {"postgresql_with": {"fillfactor": FILL_PERCENT}},
    )
    # Without it, updated_at would be expired after an UPDATE, and reading it would be a query.
    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - no ClassVar in SQLAlchemy's types

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(255))
    version: Mapped[str] = mapped_column(String(50))
    active: Mapped[bool] = mapped_column(default=True)
    config: Mapped[dict[str, Any]] = mapped_column(default=dict)
    last_active: Mapped[datetime | None]
    state: Mapped[HealthState] = mapped_column(
        as_text(HealthState, "state"), default=HealthState.UNKNOWN, server_default="unknown"
    )
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


@event.listens_for(Module.__table__, "before_create")
def _trigrams(_table: object, connection: Connection, **_how: object) -> None:
    connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
