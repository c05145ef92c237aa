"""TD222: any fault told as the client's."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.handlers import handlers_of, is_session, session_calls
from testkit.doctor.static.module import Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.doctor.static.handlers import Handler

__all__ = ["BAD", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD222",
    "Every fault is told as the client's",
    "warning",
    "`except Exception` takes what the database refuses, a lost connection, a mistake in the code, and a status that was raised within the block unless a line above lets it through. All of them leave as one 4xx: nobody is "
    "alarmed, callers do not try again, and a test that expects the status passes for any reason.",
    "Name the errors that the status means (ValueError, a named constraint of IntegrityError), and let the others become a 500.",
)
_STATUS: Final = re.compile(r"HTTP_(4(?:00|04|09|22))_")
_BLAMED: Final = frozenset((400, 404, 409, 422))
#: What sessions of HTTP clients do not have.
_METHODS: Final = frozenset(
    (
        *("add", "add_all", "commit", "exec", "execute", "flush", "get_one", "merge", "query"),
        *("refresh", "scalar", "scalars"),
    )
)
_RAISED: Final = re.compile(r"(?:HTTPException|HTTPError|Response|abort)$")
BAD: Final = (
    """
    # file: app/work.py
    from fastapi import HTTPException, status
    from fastapi.responses import JSONResponse
    from sqlalchemy.orm import Session

    def create(body, db: Session):
        try:
            db.add(User(**body))
            db.commit()
        except Exception as error:  # here
            db.rollback()
            raise HTTPException(status_code=400, detail=str(error))

    async def show(self, id):
        try:
            return await self.session.get_one(User, id)
        except Exception:  # here
            raise HTTPException(status.HTTP_404_NOT_FOUND) from None

    async def other(self, id):
        try:
            row = await self.session.scalar(query)
        except:  # here
            return JSONResponse({}, status_code=409)
    """,
)
GOOD: Final = (
    """
    # file: app/work.py
    from fastapi import HTTPException
    from sqlalchemy.exc import NoResultFound
    from sqlalchemy.orm import Session

    def create(body, db: Session):
        try:
            db.commit()
        except ValueError as error:
            raise HTTPException(status_code=400, detail=str(error))
        except Exception as error:
            raise HTTPException(status_code=500) from error

    def show(db, id):
        try:
            db.get_one(User, id)
        except NoResultFound:
            raise HTTPException(404)

    def parse(text):
        try:
            return json.loads(text)
        except Exception as error:
            raise HTTPException(400) from error

    def sorted_out(db, body):
        try:
            db.commit()
        except Exception as error:
            if not isinstance(error, ValueError):
                raise
            raise HTTPException(400) from error
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each broad ``except`` around a session's work that ends in a 4xx whatever happened."""
    if module.is_test:
        return
    for handler in handlers_of(module):
        if handler.is_broad and (status := _status(module, handler)):
            work = _work(module, handler)
            if work:
                yield Place(handler.node, f"Whatever {work}() raises becomes a {status}")


def _work(module: Module, handler: Handler) -> str:
    """Return the last call that has to do with a database: on a session, or with one."""
    body = handler.tried.body
    for session, method, _ in reversed(session_calls(module, body)):
        if method in _METHODS:
            return f"{session}.{method}"
    for node in (each for statement in body for each in (statement, *inside(statement))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            given = [*node.args, *(word.value for word in node.keywords)]
            if any(is_session(each) for each in given):
                return ast.unparse(node.func)
    return ""


def _status(module: Module, handler: Handler) -> int:
    """Return the status that it always ends in, 0 where it is another or depends."""
    last = handler.node.body[-1]
    value = last.exc if isinstance(last, ast.Raise) else getattr(last, "value", None)
    if any(isinstance(node, ast.If | ast.Match | ast.Try) for node in handler.inner):
        return 0
    if not isinstance(value, ast.Call) or not _RAISED.search(module.origin(value.func)):
        return 0
    given = [*value.args, *(word.value for word in value.keywords)]
    return next((status for each in given if (status := _number(each)) in _BLAMED), 0)


def _number(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    named = (
        _STATUS.search(ast.unparse(node)) if isinstance(node, ast.Attribute | ast.Name) else None
    )
    return int(named[1]) if named else 0
