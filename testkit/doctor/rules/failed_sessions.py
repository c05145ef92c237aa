"""TD224: a session that is used on after its flush has failed."""

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
    "TD224",
    "A session is used on after a failed flush",
    "error",
    "A flush that fails ends the session's transaction: whatever the session is asked next raises PendingRollbackError, until it is rolled back. The line that was meant for the "
    "caught error fails instead, and the first error is hidden behind the second.",
    "Flush within a savepoint (`with session.begin_nested():`), so that only this is undone, or call session.rollback() first.",
)
_FLUSHES: Final = frozenset(("commit", "flush"))
#: What opens a transaction, or needs one.
_USES: Final = frozenset(
    (
        *("execute", "scalar", "scalars", "query", "get", "get_one", "exec", "refresh", "merge"),
        *("commit", "flush", "bulk_save_objects", "connection"),
    )
)
BAD: Final = (
    """
    # file: app/work.py
    from sqlalchemy.exc import IntegrityError

    def ensure(session, name):
        session.add(Tag(name=name))
        try:
            session.flush()
        except IntegrityError:
            return session.query(Tag).filter_by(name=name).one()  # here

    async def ensure_all(self, names):
        try:
            await self.session.commit()
        except IntegrityError:
            log.info("there")
        return await self.session.scalar(query)  # here
    """,
)
GOOD: Final = (
    """
    # file: app/work.py
    from sqlalchemy.exc import IntegrityError

    def ensure(session, name):
        session.add(Tag(name=name))
        try:
            session.flush()
        except IntegrityError:
            session.rollback()
            return session.query(Tag).filter_by(name=name).one()

    def nested(session, name):
        try:
            with session.begin_nested():
                session.add(Tag(name=name))
                session.flush()
        except IntegrityError:
            pass
        return session.query(Tag).one()

    def by_hand(session, name):
        savepoint = session.begin_nested()
        try:
            session.flush()
        except IntegrityError:
            savepoint.rollback()
        return session.query(Tag).one()

    def left(session):
        try:
            session.flush()
        except IntegrityError:
            raise ValueError from None
        return session.query(Tag).one()

    def handed_on(session):
        try:
            session.flush()
        except IntegrityError:
            undo(session)
        return session.query(Tag).one()

    def other(db, cursor):
        try:
            db.session.commit()
            cursor.execute(statement)
        except Exception:
            db.session.refresh(query)

    def branch(session):
        try:
            session.flush()
        except IntegrityError:
            if strict:
                raise
            stop()
        else:
            session.commit()
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give the first use of each session behind an ``except`` of its flush without a rollback."""
    if module.is_test:
        return
    for handler in handlers_of(module):
        if handler.takes_database_errors or handler.takes_broken_rules:
            flushed = session_calls(module, handler.tried.body)
            if any(method == "begin_nested" for _, method, _ in flushed):
                continue
            failed = {session for session, method, _ in flushed if method in _FLUSHES}
            for session in sorted(failed):
                call = _used(module, handler, session)
                if call is not None:
                    yield Place(call, f"{session} has to be rolled back behind its failed flush")


def _used(module: Module, handler: Handler, session: str) -> ast.Call | None:
    """Return the first call that needs the session's transaction, where nothing may have mended it."""
    statements: list[ast.stmt] = list(handler.node.body)
    if not handler.leaves:
        statements += [*handler.tried.finalbody, *_behind(module, handler.tried)]
    for statement in statements:
        if _may_leave_or_mend(statement, session) and not isinstance(statement, ast.Return):
            return None
        for name, method, call in session_calls(module, [statement]):
            if name == session and method in _USES:
                return call
    return None


def _behind(module: Module, node: ast.stmt) -> list[ast.stmt]:
    """Return the statements of the same block behind this one."""
    above = module.parents.get(node)
    for block in ("body", "orelse", "finalbody"):
        statements = getattr(above, block, [])
        if isinstance(statements, list) and node in statements:
            return list(statements[statements.index(node) + 1 :])
    return []


def _may_leave_or_mend(statement: ast.stmt, session: str) -> bool:
    """Return whether it may raise on, roll back, or hands the session to who does."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Raise | ast.Return | ast.Continue | ast.Break):
            return True
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and "rollback" in node.func.attr:
                return True
            given = [*node.args, *(word.value for word in node.keywords)]
            if any(ast.unparse(each) == session for each in given):
                return True
        if isinstance(node, ast.Assign | ast.With | ast.AsyncWith) and _binds(node, session):
            return True
    return False


def _binds(node: ast.Assign | ast.With | ast.AsyncWith, session: str) -> bool:
    if isinstance(node, ast.Assign):
        targets = node.targets
    else:
        targets = [item.optional_vars for item in node.items if item.optional_vars]
    return any(ast.unparse(target) == session for target in targets)
