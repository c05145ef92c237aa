"""What a declaration of a fault gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.faults.protocols.rules import Rule
    from testkit.faults.protocols.steps import Direction

__all__ = ["BOTH", "Condition", "Fault", "Kind"]

Kind = Literal[
    "latency",
    "reset",
    "reset_on_connect",
    "refuse",
    "silence",
    "black_hole",
    "connect_black_hole",
    "cut",
    "slow_close",
    "rule",
]
BOTH: Final[tuple[Direction, ...]] = ("to_server", "to_client")


@dataclass(frozen=True, slots=True)
class Condition:
    """What a network fault does, and in which directions; seconds and bytes."""

    kind: Kind
    directions: tuple[Direction, ...] = BOTH
    seconds: float = 0.0
    jitter: float = 0.0
    after: int = 0


class Fault:
    """One declared fault. It ends with its ``with`` block, by ``end``, or with the test.

    ``struck`` counts what it struck: connections, pieces of bytes or requests, as its kind says.
    """

    def __init__(
        self, text: str, condition: Condition, end: Callable[[Fault], None], site: str = ""
    ) -> None:
        self.text, self.condition, self.site = text, condition, site
        self.struck = 0
        self.active = True
        self.rule: Rule | None = None
        self._end = end

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"<{self.text}, struck {self.struck} times>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        """End it; what came before is still struck by it. A second call does nothing."""
        if self.active:
            self._end(self)
