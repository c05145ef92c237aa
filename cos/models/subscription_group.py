"""The groups that the events are handled for."""

from datetime import datetime

from sqlalchemy import BigInteger, String, func
from sqlalchemy.orm import Mapped, mapped_column

from cos.db.declarative import Base

__all__ = ["SubscriptionGroup"]


class SubscriptionGroup(Base):
    """A group of subscribers, from its first start on.

    That there is a row says that the beginning was settled. ``rewinds`` counts how often its
    progress was set back: running subscribers look at it to learn that there is work.
    """

    __tablename__ = "subscription_groups"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    rewinds: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
