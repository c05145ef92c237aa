"""An exception as a fact: one line, the database's own words where it was the database's."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.exc import StatementError

from testkit.core.messages import TestkitError
from testkit.doctor.factories.trial import Failure

__all__ = ["failure_of"]

_LONGEST: Final = 300
# Their detail names the key; that of others shows the whole row.
_KEYS: Final = ("23503", "23505", "23P01")


def failure_of(error: BaseException) -> Failure:
    """Return what is told of an exception."""
    if isinstance(error, TestkitError):
        return Failure(_one_line(str(error).splitlines()[0]), code=error.code)
    cause: Any = error.orig if isinstance(error, StatementError) and error.orig else error
    sqlstate = getattr(cause, "sqlstate", None) or ""
    told = getattr(cause, "diag", None)
    if not sqlstate or told is None:
        lines = str(cause).strip() or "(it says nothing)"
        return Failure(_one_line(f"{type(cause).__name__}: {lines}"), sqlstate=sqlstate)
    words = [told.message_primary or str(cause)]
    if told.constraint_name and told.constraint_name not in words[0]:
        words.append(f'(constraint "{told.constraint_name}")')
    if sqlstate in _KEYS and told.message_detail:
        words.append(f"({told.message_detail.rstrip('.')})")
    return Failure(_one_line(f"{type(cause).__name__}: {' '.join(words)}"), sqlstate=sqlstate)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"
