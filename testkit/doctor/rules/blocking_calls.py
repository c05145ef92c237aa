"""TD303: a coroutine that makes everybody else wait."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from testkit.doctor.finding import Rule
from testkit.doctor.static.module import Change, Module, Place, inside

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BAD", "FIXED", "GOOD", "RULE", "found"]

RULE: Final = Rule(
    "TD303",
    "A coroutine waits without awaiting",
    "error",
    "A loop runs one coroutine at a time. While this one sleeps, or waits for a server or a database in a call that is not awaited, no other request of the process is answered, and no timeout of asyncio "
    "ends it. A test that calls it alone does not notice.",
    "Await what is made for coroutines (asyncio.sleep, httpx.AsyncClient, redis.asyncio, AsyncSession), make the view a plain `def`, or hand it to a thread: await asyncio.to_thread(call).",
)
_WAITS: Final = re.compile(
    r"time\.sleep|urllib\.request\.urlopen"
    r"|(?:requests|httpx)\.(?:delete|get|head|options|patch|post|put|request)"
)
_SESSIONS: Final = frozenset(
    ("sqlalchemy.orm.Session", "sqlalchemy.orm.session.Session", "sqlmodel.Session")
)
#: What goes to the database. What makes a query (``session.query``) does not.
_SENT: Final = frozenset(
    ("commit", "exec", "execute", "flush", "get", "refresh", "scalar", "scalars")
)
_CLIENTS: Final = frozenset(
    f"redis.{name}" for name in ("Redis", "Redis.from_url", "StrictRedis", "from_url")
)
BAD: Final = (
    """
    # file: app/views.py
    import time
    import requests
    from urllib.request import urlopen
    import redis
    from sqlalchemy.orm import Session

    cache = redis.Redis(host="cache")

    async def view():
        time.sleep(2 * 0.5)  # here
        requests.get("https://a.example", timeout=3)  # here
        urlopen("https://a.example")  # here
        return cache.get("a")  # here

    async def create(body, db: Session = Depends(get_db)):
        db.add(User())
        db.commit()  # here
        db.refresh(body)
    """,
)
FIXED: Final = (
    BAD[0]
    .replace("time.sleep(2", "await sleep(2")
    .replace("import Session\n", "import Session\n    from asyncio import sleep\n"),
)
GOOD: Final = (
    """
    # file: app/views.py
    import asyncio
    import time
    import requests
    import redis
    import redis.asyncio
    from sqlalchemy.orm import Session
    from sqlalchemy.ext.asyncio import AsyncSession

    cache = redis.asyncio.Redis()
    plain = redis.Redis()

    def view(db: Session):
        time.sleep(1)
        requests.get("https://a.example")
        db.commit()

    async def other(db: AsyncSession):
        await asyncio.sleep(1)
        await asyncio.to_thread(time.sleep, 1)
        await asyncio.to_thread(lambda: requests.get("https://a.example"))
        await asyncio.to_thread(plain.get, "a")
        await db.commit()
        await cache.get("a")

    async def handed_on(db: Session):
        await asyncio.to_thread(save, db)
        query = db.query(User)
    """,
    """
    # file: tests/test_it.py
    import time

    async def test_a_loop_that_hangs_is_seen():
        time.sleep(1)
    """,
)


def found(module: Module) -> Iterator[Place]:
    """Give each call in a coroutine that waits, and the first on a session that is not awaited."""
    if module.is_test:
        return
    clients = _clients(module)
    for function in module.nodes:
        if not isinstance(function, ast.AsyncFunctionDef):
            continue
        sessions = _sessions(module, function)
        sent: list[ast.Call] = []
        for node in inside(function):
            if not isinstance(node, ast.Call) or isinstance(module.parents[node], ast.Await):
                continue
            name = module.origin(node.func)
            owner, _, method = name.rpartition(".")
            if _WAITS.fullmatch(name) or owner in clients:
                reason = f"{name}() in the coroutine {function.name} stops the whole loop"
                yield Place(node, reason, _changes(module, node, name))
            elif owner in sessions and method in _SENT:
                sent.append(node)
        if sent:
            first = min(sent, key=lambda call: (call.lineno, call.col_offset))
            told = ast.unparse(first.func)
            yield Place(first, f"{told}() in the coroutine {function.name} stops the whole loop")


def _changes(module: Module, call: ast.Call, name: str) -> tuple[Change, ...]:
    """Return what awaits asyncio's sleep instead, where it is a statement."""
    if name != "time.sleep" or not isinstance(module.parents[call], ast.Expr):
        return ()
    spelled, imports = module.spelled("asyncio.sleep")
    given = module.segment(call)[len(module.segment(call.func)) :]
    return (Change(call, f"await {spelled}{given}", imports),)


def _clients(module: Module) -> set[str]:
    """Return the names that this file gives, for all its functions, to clients that wait."""
    return {
        target.id
        for node in module.tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and module.origin(node.value.func) in _CLIENTS
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _sessions(module: Module, function: ast.AsyncFunctionDef) -> set[str]:
    """Return the parameters that are sessions for plain functions."""
    given = function.args
    return {
        each.arg
        for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)
        if _annotated(module, each.annotation) in _SESSIONS
    }


def _annotated(module: Module, node: ast.expr | None) -> str:
    if isinstance(node, ast.Subscript) and module.origin(node.value).endswith("Annotated"):
        node = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
    return module.origin(node)
