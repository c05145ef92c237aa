"""Logins of the board."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, func
from sqlalchemy.orm import Mapped, mapped_column

from cos.db.declarative import Base

__all__ = ["BoardSession"]


class BoardSession(Base):
    """A browser that logged in with a token, without the secret in its cookie.

    The token is a row, or stands in the environment as COS_API_TOKEN: then ``environment_mac`` ties
    the session to its value.
    """

    __tablename__ = "board_sessions"
    __table_args__ = (
        CheckConstraint("num_nonnulls(token_id, environment_mac) = 1", name="of_one_token"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary())
    token_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("api_tokens.id", ondelete="CASCADE"), index=True
    )
    environment_mac: Mapped[bytes | None] = mapped_column(LargeBinary())
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(index=True)
