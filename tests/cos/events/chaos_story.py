"""The faults of one run, drawn from a seed, and the log that tells when each struck."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Fault", "Story"]

Kind = Literal[
    "Redis is killed and comes back with what it had",
    "Redis is killed and comes back empty",
    "Redis is frozen for a while",
    "every connection to Redis is reset",
    "a replica is killed and another one takes its place",
    "Postgres is restarted",
]
# How often each strikes in a run; the restart of Postgres exactly once.
TIMES: Final[dict[Kind, int]] = {
    "Redis is killed and comes back with what it had": 2,
    "Redis is killed and comes back empty": 2,
    "Redis is frozen for a while": 2,
    "every connection to Redis is reset": 2,
    "a replica is killed and another one takes its place": 3,
    "Postgres is restarted": 1,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens when ``at`` changes are committed; what is down stays so for ``lasts`` more."""

    kind: Kind
    at: int
    lasts: int


@dataclass(slots=True)
class Story:
    """Faults spread over a run of ``changes``, at least ``rounds`` times each row of the table."""

    seed: int
    changes: int
    rounds: int = 1
    lines: list[str] = field(default_factory=list)

    def faults(self) -> Iterator[Fault]:
        """Yield the faults in their order; the same ones for the same seed."""
        chance = random.Random(self.seed)
        kinds = [
            kind
            for kind, times in TIMES.items()
            for _ in range(1 if kind == "Postgres is restarted" else times * self.rounds)
        ]
        chance.shuffle(kinds)
        step = self.changes // (len(kinds) + 1)
        for number, kind in enumerate(kinds, 1):
            yield Fault(kind, at=number * step, lasts=chance.randint(1, step // 2))

    def tell(self, line: str) -> None:
        """Add a line to the log."""
        self.lines.append(line)

    def __str__(self) -> str:
        return "\n".join([f"seed {self.seed}, {self.changes} changes", *self.lines])
