"""What an exception says of itself, read without running the code of its class."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

from testkit.record.evidence.refusals import refusal
from testkit.record.evidence.safely import (
    attributes,
    is_a,
    is_plain,
    mro,
    namespace,
    shown,
    type_name,
)

if TYPE_CHECKING:
    from types import TracebackType

    from testkit.record.evidence.places import Places, Tracebacks

__all__ = ["cause_of", "context_of", "is_error", "members_of", "message_of", "tracebacks_of"]

_ARGS: Final[Any] = BaseException.__dict__["args"]
_CAUSE: Final[Any] = BaseException.__dict__["__cause__"]
_CONTEXT: Final[Any] = BaseException.__dict__["__context__"]
_SUPPRESSED: Final[Any] = BaseException.__dict__["__suppress_context__"]
_TRACEBACK: Final[Any] = BaseException.__dict__["__traceback__"]
_MEMBERS: Final[Any] = BaseExceptionGroup.__dict__["exceptions"]
_GROUP_MESSAGE: Final[Any] = BaseExceptionGroup.__dict__["message"]
_MOST: Final = 8_000
_MOST_FRAMES: Final = 2_000
# Wrapped in a chain of SQLAlchemy's: its message without statement and parameters, whose values
# it would draw with their own ``repr``.
_SQLALCHEMY: Final = "sqlalchemy.exc.StatementError"
_DRAWN: Final = ("errno", "strerror", "filename", "filename2")
_SPEAKING: Final = ("message", "msg", "detail", "reason")


def is_error(thing: object) -> bool:
    """Tell whether a thing is an exception, whatever it says that it is."""
    return any(cls is BaseException for cls in mro(type(thing)))


def cause_of(error: BaseException) -> BaseException | None:
    """Return ``__cause__`` as the interpreter set it."""
    found: BaseException | None = _CAUSE.__get__(error)
    return found


def context_of(error: BaseException) -> tuple[BaseException | None, bool]:
    """Return ``__context__``, and whether it was told not to be shown."""
    return _CONTEXT.__get__(error), bool(_SUPPRESSED.__get__(error))


def members_of(error: BaseException) -> tuple[BaseException, ...]:
    """Return the exceptions of a group, none of anything else."""
    if not any(cls is BaseExceptionGroup for cls in mro(type(error))):
        return ()
    found: tuple[BaseException, ...] = tuple(_MEMBERS.__get__(error))
    return found


def tracebacks_of(error: BaseException) -> Tracebacks:
    """Return the places where it passed, outermost first."""
    found: Tracebacks = []
    one: TracebackType | None = _TRACEBACK.__get__(error)
    while one is not None and len(found) < _MOST_FRAMES:
        found.append(one)
        one = one.tb_next
    return found


def message_of(error: BaseException, places: Places) -> str:
    """Return the message: by ``str`` only where no code of the project or of values takes part."""
    args: tuple[object, ...] = _ARGS.__get__(error)
    known = _known(error, args, places)
    if known is not None:
        return known
    owner = next(cls for cls in mro(type(error)) if "__str__" in namespace(cls))
    speaks = namespace(owner)["__str__"]
    # Of a library in C, nobody knows what it draws.
    if type(speaks) is types.WrapperDescriptorType and "." not in type_name(owner):
        plain = is_plain(args) and _is_plain_system_error(error)
        return str(speaks.__get__(error)())[:_MOST] if plain else _joined(args)
    if type(speaks) is types.FunctionType and (said := _said_by(speaks, error, places)):
        return said
    if not args:
        held = attributes(error)
        texts = (held[name] for name in _SPEAKING if type(held.get(name)) is str)
        return str(next(texts, ""))[:_MOST]
    return _joined(args)


def _known(error: BaseException, args: tuple[object, ...], places: Places) -> str | None:
    """Return the message of what draws values that it holds, without these; else None."""
    if members_of(error):
        return str.__str__(_GROUP_MESSAGE.__get__(error))
    if is_a(error, _SQLALCHEMY):
        return _joined(args[:1])
    return refusal(error, places)


def _said_by(speaks: types.FunctionType, error: BaseException, places: Places) -> str:
    """Return what a library's own code makes of nothing but plain values, else nothing."""
    if places.owner(speaks.__code__.co_filename) not in {"library", "python"}:
        return ""
    if not is_plain(_ARGS.__get__(error)):
        return ""
    if not all(is_plain(value) for value in attributes(error).values()):
        return ""
    said = speaks(error)
    return said[:_MOST] if type(said) is str else ""


def _is_plain_system_error(error: BaseException) -> bool:
    # What it draws stands beside ``args`` and may be anybody's path.
    if not any(cls is OSError for cls in mro(type(error))):
        return True
    return all(is_plain(OSError.__dict__[name].__get__(error)) for name in _DRAWN)


def _joined(args: tuple[object, ...]) -> str:
    if len(args) == 1:
        (one,) = args
        if any(cls is str for cls in mro(type(one))):
            return str.__str__(one)[:_MOST]
        if is_error(one):
            return f"<{type_name(type(one))}>"
        return shown(one, _MOST)
    return shown(args, _MOST) if args else ""
