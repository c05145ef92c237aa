"""A server's programs, whichever road they came by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["OLDEST_POSTGRES", "OLDEST_REDIS", "Binaries", "ClosedRoadError"]

OLDEST_POSTGRES: Final = 14
OLDEST_REDIS: Final = 7  # FUNCTION and PEXPIRETIME, with which a keyspace is put back


@dataclass(frozen=True, slots=True)
class Binaries:
    """The programs of one server product.

    ``server`` is the program that serves, ``road`` the value of the option that asks for these,
    ``origin`` where they come from in words, ``version`` that of the product, ``passed_over`` why
    earlier roads were not taken.
    """

    folder: Path
    server: str
    product: str
    version: str
    road: str
    origin: str
    passed_over: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """Return the first part of the version."""
        return int(self.version.partition(".")[0])

    def reason(self, *words: str) -> str:
        """Return why these, and further words, for the header."""
        passed = f"; passed over: {', '.join(self.passed_over)}" if self.passed_over else ""
        return ", ".join((self.origin, *words)) + passed

    def program(self, name: str) -> str:
        """Return the path of one program."""
        return str(self.folder / name)


class ClosedRoadError(Exception):
    """A road does not lead to a server here: ``reason``, and the line that would open it."""

    def __init__(self, reason: str, opens: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.opens = opens
