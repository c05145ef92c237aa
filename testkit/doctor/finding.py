"""What a rule is, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Rule"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of defect: ``why`` it does harm, and what to do about it (``fix``)."""

    code: str
    title: str
    severity: Severity
    why: str
    fix: str

    @property
    def explained(self) -> str:
        """Return the long text, in the form of a message's."""
        return f"{self.code}: {self.title}\n\nWhy: {self.why}\n\n{self.fix}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect at a place; lines and columns begin at 1, the path is absolute.

    ``factory`` and ``trait`` are empty where they say nothing: of a file, of a factory alone.
    """

    code: str
    severity: Severity
    path: str
    line: int
    column: int
    factory: str
    trait: str
    reason: str
    fix: str
    fixable: bool = False

    @property
    def subject(self) -> str:
        """Return the factory, with the trait that it was called with."""
        return f"{self.factory}({self.trait}=True)" if self.trait else self.factory

    @property
    def message(self) -> str:
        """Return who, why, and what to do, in one line."""
        words = f"{self.subject}: {self.reason}" if self.factory else self.reason
        return f"{words.rstrip('.')}. {self.fix}"
