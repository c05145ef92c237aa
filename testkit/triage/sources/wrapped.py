"""What a message tells beyond its own exception: the driver's error, the original one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from testkit.core.runs.failure import Raised
from testkit.triage.sources.tracebacks import named

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["unwrapped"]

# SQLAlchemy: "(psycopg.errors.UniqueViolation) duplicate key …\n[SQL: …]"; for asyncpg
# "(sqlalchemy.dialects.postgresql.asyncpg.IntegrityError) <class 'asyncpg…'>: …".
_DRIVER: Final = re.compile(r"^\((?P<type>[A-Za-z_][\w.]*)\) (?:<class '(?P<inner>[\w.]+)'>: )?")
_BEHIND: Final = re.compile(r"\n\[SQL: |\n\[parameters: |\n\(Background on this error")
_ORIGINAL: Final = re.compile(r"Original exception was: ?")


def unwrapped(chain: Iterable[Raised]) -> tuple[Raised, ...]:
    """Return the chain with what its messages tell of, each behind the one that told it.

    A driver's error that stands in the chain already is not added again.
    """
    told = tuple(chain)
    known = {one.type.rpartition(".")[2] for one in told if one.link in {"cause", "orig"}}
    found: list[Raised] = []
    for one in told:
        found.append(one)
        driver = _DRIVER.match(one.message)
        if driver and driver["type"].rpartition(".")[2] not in known:
            message = _BEHIND.split(one.message[driver.end() :], maxsplit=1)[0]
            found.append(Raised(driver["inner"] or driver["type"], message, "orig"))
        elif (original := _ORIGINAL.search(one.message)) is not None:
            message = _BEHIND.split(one.message[original.end() :], maxsplit=1)[0]
            kind, rest = named(message)
            # "Mapper 'x' has no property" begins with a word as well, but with no exception's.
            is_kind = kind.endswith(("Error", "Exception")) or "." in kind
            found.append(Raised(kind, rest, "text") if is_kind else Raised("", message, "text"))
    return tuple(found)
