"""What a rule is, what it finds, and what would mend that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Edit", "Finding", "Rule"]

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
class Edit:
    """What to write instead of the characters from ``start`` to before ``end`` of a file's text."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect at a place; lines and columns begin at 1, the path is absolute.

    ``factory`` and ``trait`` are empty where they say nothing: of a file, of a factory alone.
    ``edits`` mend it, all of them together, with the ``imports`` that they need (``uuid.UUID``);
    without them it is for a person.
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
    edits: tuple[Edit, ...] = ()
    imports: tuple[str, ...] = ()

    @property
    def fixable(self) -> bool:
        """Return whether ``--fix`` can rewrite it."""
        return bool(self.edits)

    @property
    def subject(self) -> str:
        """Return the factory, with the trait that it was called with."""
        return f"{self.factory}({self.trait}=True)" if self.trait else self.factory

    @property
    def message(self) -> str:
        """Return who, why, and what to do, in one line."""
        words = f"{self.subject}: {self.reason}" if self.factory else self.reason
        return f"{words.rstrip('.')}. {self.fix}"
