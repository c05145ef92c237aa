"""How much, how long and how often a subscriber works."""

from dataclasses import dataclass
from typing import Final

from cos.events.event import PARTITIONS

__all__ = ["SubscriberSettings"]

# An entry is taken for a dead consumer's only after several attempts could have ended.
IDLE_ATTEMPTS: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberSettings:
    """The settings of a subscriber; durations are seconds. Raises ValueError where they conflict.

    ``concurrency`` modules are handled at once, each with a connection of the pool; at most
    ``capacity`` entries are held, of one module at most ``depth``. ``timeout`` is that of one
    attempt, of which there are up to ``max_attempts``; between them ``retry_base`` doubles up to
    ``retry_cap``. ``pause`` lies between two tries to reach a server that is lost. Entries that a
    consumer held for ``min_idle`` are claimed by others, who look each ``claim_every``; a consumer
    that was not heard of for ``consumer_expiry`` and holds nothing is removed. ``grace`` is what
    the handling of an event has left when the subscriber is stopped.
    """

    concurrency: int = 4
    capacity: int = 256
    depth: int = 32
    timeout: float = 20.0
    max_attempts: int = 5
    retry_base: float = 0.5
    retry_cap: float = 60.0
    pause: float = 1.0
    block: float = 1.0
    min_idle: float = 120.0
    claim_every: float = 10.0
    consumer_expiry: float = 3_600.0
    reconcile_every: float = 60.0
    replay_every: float = 1.0
    grace: float = 5.0

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if min(self.concurrency, self.depth, self.max_attempts) < 1:
            raise ValueError("concurrency, depth and max_attempts are at least 1")
        if self.capacity < PARTITIONS:
            raise ValueError(
                f"capacity is at least {PARTITIONS}, an entry of each stream, not {self.capacity}"
            )
        if self.timeout <= 0 or self.block <= 0:
            raise ValueError("timeout and block are more than 0 seconds")
        if self.min_idle < IDLE_ATTEMPTS * self.timeout:
            raise ValueError(
                f"min_idle is at least {IDLE_ATTEMPTS} times the timeout of an attempt"
                f" ({self.timeout:g} s), not {self.min_idle:g} s: others would take events that"
                " are being handled"
            )
