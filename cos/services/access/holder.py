"""Who sends a request, as far as it matters."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from cos.models.access_scope import AccessScope

__all__ = ["ALL_SCOPES", "ENVIRONMENT", "NOBODY", "Holder", "Refusal", "same_secret"]


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever holds a token, by its name, and what that token allows.

    ``token_id`` is None for the token in the environment and where no token is needed.
    """

    name: str
    scopes: frozenset[AccessScope]
    token_id: UUID | None = None
    expires_at: datetime | None = None


class Refusal(StrEnum):
    """Why a token opens nothing, for whoever sent it."""

    UNKNOWN = "is none of this control center's"
    EXPIRED = "has expired"
    REVOKED = "was revoked"


ALL_SCOPES: Final = frozenset(AccessScope)
ENVIRONMENT: Final = Holder("COS_API_TOKEN", ALL_SCOPES)
NOBODY: Final = Holder("nobody", ALL_SCOPES)


def same_secret(one: str, other: str) -> bool:
    """Compare two texts in a time that tells neither where they differ nor how long they are."""
    digests = [
        hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (one, other)
    ]
    return hmac.compare_digest(*digests)
