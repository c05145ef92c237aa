"""What one process remembers about access while it runs."""

from dataclasses import dataclass, field
from typing import Final

from cos.services.access.attempts import AttemptLimit

__all__ = ["FAILED_LOGINS", "Gate"]

FAILED_LOGINS: Final = 10
WINDOW_SECONDS: Final = 60.0


@dataclass(slots=True)
class Gate:
    """``is_closed``: a token was seen to exist, so that requests without one need no look again.

    It is never opened again: tokens are revoked and not deleted.
    """

    is_closed: bool = False
    logins: AttemptLimit = field(
        default_factory=lambda: AttemptLimit(FAILED_LOGINS, window=WINDOW_SECONDS)
    )
