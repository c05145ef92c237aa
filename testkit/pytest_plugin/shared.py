"""``testkit.shared``: data that a worker builds once, to which the tests of a scope are reset."""

from __future__ import annotations

import contextlib
import functools
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

import pytest

from testkit.core.current import current
from testkit.core.messages import TestkitError
from testkit.pytest_plugin.session import key, plain_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.orm import Session

    from testkit.isolation.uncommitted import Uncommitted

__all__ = ["shared"]

_SCOPES: Final = ("class", "module", "package", "session")

_Scope = Literal["class", "module", "package", "session"]
_F = TypeVar("_F", bound="Callable[..., object]")


@overload
def shared(function: _F, /) -> _F: ...
@overload
def shared(
    *,
    scope: _Scope = ...,
    params: Iterable[object] | None = ...,
    autouse: bool = ...,
    ids: Sequence[object | None] | Callable[[Any], object | None] | None = ...,
    name: str | None = ...,
) -> Callable[[_F], _F]: ...
def shared(
    function: Any = None,
    /,
    *,
    scope: Any = "module",
    params: Iterable[object] | None = None,
    autouse: bool = False,
    ids: Any = None,
    name: str | None = None,
) -> Any:
    """Make a fixture of a function, sync or async, that builds the data of a scope.

    What it commits, and what it sets in Redis, is there for every test of the scope, whatever the
    one before did to it, and goes when the scope ends. A set-up that leaves something uncommitted
    (TK343, TK344) or that gives objects which tests cannot read (TK345) is an error of its own.
    Factories (``testkit.factories``) may create rows in it.
    An asynchronous one needs no plugin: it runs in the loop of the tests where that lives as long
    as the fixture does, else in one of its own. Raises TK342 for another scope, or for what is no
    function.
    """
    __tracebackhide__ = True

    def decorate(function: Any) -> Any:
        __tracebackhide__ = True
        _refuse(function, scope)
        marker: Any = pytest.fixture(
            scope=scope, params=params, autouse=autouse, ids=ids, name=name
        )
        return marker(_followed(function))

    return decorate if function is None else decorate(function)


def _refuse(function: object, scope: object) -> None:
    __tracebackhide__ = True
    plain = function.__func__ if isinstance(function, (classmethod, staticmethod)) else function
    if not inspect.isfunction(plain):
        reason = f"it decorates a function, and was given {function!r}"
        raise TestkitError("TK342", reason=reason, where="where it is called")
    if scope == "function":
        reason = "a fixture of scope 'function' builds for one test only"
    elif scope not in _SCOPES:
        reason = f"scope is {scope!r}, not one of {', '.join(map(repr, _SCOPES))}"
    else:
        return
    raise TestkitError("TK342", reason=reason, where=_place(plain))


def _place(function: Any, root: Path | None = None) -> str:
    code = inspect.unwrap(function).__code__
    file = Path(code.co_filename)
    shown = file.relative_to(root) if root and file.is_relative_to(root) else file
    return f"{shown}:{code.co_firstlineno} in {function.__qualname__}"


def _followed(function: Any) -> Any:
    """Return a generator function that pytest takes for the function."""
    if isinstance(function, (classmethod, staticmethod)):
        return type(function)(_followed(function.__func__))
    signature = inspect.signature(function)
    asks = "request" in signature.parameters

    @functools.wraps(function)
    def fixture(*arguments: Any, request: pytest.FixtureRequest, **named: Any) -> Iterator[object]:
        __tracebackhide__ = True
        named |= {"request": request} if asks else {}
        steps = _steps(function, request, arguments, named)
        try:
            value = _set_up(steps, function, request)
        except StopIteration:
            return  # pytest says that it did not yield
        yield value
        yield from steps

    if not asks:
        request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY)
        # Behind all but **others.
        parameters = sorted((*signature.parameters.values(), request), key=lambda one: one.kind)
        fixture.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined] # pytest reads it
    return fixture


def _steps(
    function: Any, request: pytest.FixtureRequest, arguments: tuple[Any, ...], named: dict[str, Any]
) -> Iterator[object]:
    """Yield the fixture's value; what follows is its teardown."""
    __tracebackhide__ = True
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        from testkit.pytest_plugin.shared_loop import steps_in_loop

        yield from steps_in_loop(function, request, arguments, named)
    elif inspect.isgeneratorfunction(function):
        yield from function(*arguments, **named)
    else:
        yield function(*arguments, **named)


def _set_up(steps: Iterator[object], function: Any, request: pytest.FixtureRequest) -> object:
    """Return the value, where everything that was written for it is committed.

    Where it is not, the fixture's teardown runs now, and no test gets the value.
    """
    __tracebackhide__ = True
    watch = _watch(request)
    if watch is None:
        value = _first(steps, request)
        watch = _watch(request)  # its own set-up may have started the database
    else:
        watch.begin()
        try:
            value = _first(steps, request)
        finally:
            watch.listen_no_more()
    if watch is None:
        return value
    who = f"{request.scope} fixture {request.fixturename}"
    where = _place(function, request.config.rootpath)
    with plain_errors():
        try:
            watch.check(who, where)
            _check_value(value, who, where)
        except TestkitError:
            try:
                next(steps, None)
            finally:
                watch.release()
            raise
    return value


def _first(steps: Iterator[object], request: pytest.FixtureRequest) -> object:
    """Run the set-up. Factories have a session in it, opened by the first that wants one."""
    __tracebackhide__ = True
    with contextlib.ExitStack() as stack:

        @functools.cache
        def session() -> Session:
            database = request.config.stash[key].worker.ensure_database()
            return stack.enter_context(database.session(expire_on_commit=False))

        before, current.session = current.session, session
        try:
            return next(steps)
        finally:
            current.session = before


def _watch(request: pytest.FixtureRequest) -> Uncommitted | None:
    """Return what follows the set-up, None where nothing is undone."""
    session = request.config.stash[key]
    undoing = session.worker.isolation.database if session.isolates else None
    if undoing is None:
        return None
    from testkit.isolation.uncommitted import Uncommitted

    return Uncommitted(
        undoing.server, undoing.name, undoing.reset, undoing.pools, f"{request.config.rootpath}/"
    )


def _check_value(value: object, who: str, where: str) -> None:
    from testkit.isolation.mapped import unreadable

    if found := unreadable(value):
        raise TestkitError("TK345", who=who, where=where, objects="\n".join(found))
