"""TD223: a write that fails, and nobody is told."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.handlers import handlers_of, session_calls
from testkit.doctor.static.module import Module, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.handlers import Handler

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD223",
    "A failed write is passed over in silence",
    "error",
    "What was to be written is not there, and nothing says so: neither log nor caller learn of the broken constraint, the lost connection or the mistake in the code. Within `with session.begin()` "
    "the rest of the block's work is thrown away as well, without an error. A test fails later, elsewhere, on a row that is missing.",
    "Let it through, or catch the one error that is expected (IntegrityError, around a savepoint) and log the others.",
)
_WRITES: Final = frozenset(("commit", "flush"))
_UNDOES: Final = frozenset(("rollback", "close", "expunge", "expunge_all", "remove"))
BAD: Final = (
    """
    # file: app/work.py
    from sqlalchemy.exc import SQLAlchemyError

    def save(session, row):
        try:
            session.add(row)
            session.commit()
        except Exception:  # here
            pass

    async def save_again(self, row):
        try:
            await self._session.flush()
        except SQLAlchemyError as error:  # here
            await self._session.rollback()

    def tried(db):
        for row in rows:
            try:
                db.session.commit()
            except:  # here
                db.session.rollback()
                continue
    """,
)
GOOD: Final = (
    """
    # file: app/work.py
    from sqlalchemy.exc import IntegrityError, SQLAlchemyError

    def save(session, row):
        try:
            session.commit()
        except Exception:
            session.rollback()
            raise

    def logged(session, row):
        try:
            session.commit()
        except Exception:
            logger.exception("not saved")
            session.rollback()

    def told(session, row):
        try:
            session.commit()
        except SQLAlchemyError:
            session.rollback()
            return False
        return True

    def expected(session, row):
        try:
            with session.begin_nested():
                session.flush()
        except IntegrityError:
            pass

    def cleaned_up(session):
        try:
            session.rollback()
            session.execute(delete(Started))
            session.commit()
        except Exception:
            session.rollback()

    def file(stream):
        try:
            stream.flush()
        except Exception:
            pass
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each broad ``except`` around a flush or commit that neither raises, tells nor returns."""
    if module.is_test:
        return
    for handler in handlers_of(module):
        if not (handler.is_broad or handler.takes_database_errors) or not _is_silent(handler):
            continue
        calls = session_calls(module, handler.tried.body)
        written = [(session, method) for session, method, _ in calls if method in _WRITES]
        # What rolls back first is itself the cleaning up behind an error.
        if written and not any(method == "rollback" for _, method, _ in calls):
            session, method = written[-1]
            yield Place(handler.node, f"Nobody is told when {session}.{method}() fails")


def _is_silent(handler: Handler) -> bool:
    """Return whether it does nothing, or only cleans up and goes on."""
    return not handler.looks and all(
        isinstance(node, ast.Pass | ast.Continue | ast.Break)
        or (isinstance(node, ast.Return) and node.value is None)
        or (isinstance(node, ast.Expr) and _cleans_up(node.value))
        for node in handler.node.body
    )


def _cleans_up(node: ast.expr) -> bool:
    if isinstance(node, ast.Await):
        node = node.value
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in _UNDOES
    return isinstance(node, ast.Constant)
