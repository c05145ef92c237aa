"""The tokens that open the interface."""

import uuid
from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, CheckConstraint, LargeBinary, String, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from cos.db.declarative import Base

__all__ = ["UNIQUE_NAME", "ApiToken"]

UNIQUE_NAME: Final = "uq_api_tokens_name"


class ApiToken(Base):
    """A token, without its secret: only the hash of it is here.

    Rows stay when a token is revoked, so a name in a log means one token for ever. ``last_used_at``
    lags up to a minute behind.
    """

    __tablename__ = "api_tokens"
    __table_args__ = (
        UniqueConstraint("name", name=UNIQUE_NAME),
        CheckConstraint(
            "cardinality(scopes) > 0 AND scopes <@ ARRAY['read', 'write']::varchar[]",
            name="scopes",
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    name: Mapped[str] = mapped_column(String(255))
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary())
    scopes: Mapped[list[str]] = mapped_column(ARRAY(String(16)))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
