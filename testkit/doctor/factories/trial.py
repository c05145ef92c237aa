"""What happened when a factory was tried: the facts that the rules read."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Failure", "Override", "Trial", "Value"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception in one line: the database's own words where it was the database's.

    ``code`` is that of a message of testkit's, ``sqlstate`` the database's; each may be empty.
    """

    text: str
    code: str = ""
    sqlstate: str = ""


@dataclass(frozen=True, slots=True)
class Value:
    """What a column was given, and what it gave back; ``type`` is the column's in SQL."""

    name: str
    type: str
    given: object
    back: object


@dataclass(frozen=True, slots=True)
class Override:
    """What a trait sets; ``same`` where the factory gives just that without the trait."""

    name: str
    same: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A file that was imported, or a factory that was called, plain or with one trait.

    What comes after a failure was not tried. ``texts`` are attributes that hold a text where a
    ``uuid.UUID`` belongs; ``constants`` are columns under one unique constraint each of which has
    the same value in every object; ``pending`` is what a post-generation hook left unwritten.
    """

    trait: str = ""
    imported: Failure | None = None
    built: Failure | None = None
    created: Failure | None = None
    again: Failure | None = None
    read: Failure | None = None
    texts: tuple[tuple[str, str], ...] = ()
    values: tuple[Value, ...] = ()
    overrides: tuple[Override, ...] | None = None
    constants: tuple[tuple[str, ...], ...] = ()
    pending: tuple[str, ...] = ()
