"""Parameters of statements as short texts without secrets, and whether two are the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

__all__ = ["shown", "variant"]

_MOST_VALUES: Final = 8
_MOST_CHARACTERS: Final = 40  # of one value
_HIDDEN: Final = "***"

# Bind names are columns' names with a number behind; a text may be JSON that holds such a key.
_SECRET_NAME: Final = re.compile(
    r"passw(?:or)?d|passphrase|pwd|secret|token|api_?key|private_?key|credential|authorization"
    r"|cookie|session_?key",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = re.compile(
    rf"(?:{_SECRET_NAME.pattern})\w*['\"]?\s*[:=]|://[^/\s:@]*:[^/\s@]+@|-----BEGIN |\bBearer "
    r"|\beyJ[\w-]{8,}\.|\$(?:2[abxy]|argon2\w*|pbkdf2[\w-]*|scrypt)\$",
    re.IGNORECASE,
)


def shown(parameters: object, *, names: Sequence[str] = (), many: bool = False) -> str:
    """Return the parameters of a cursor as text; ``names`` are those of a tuple's places.

    Of a list of parameters (``many``) the first is shown, and how many more there are.
    """
    if many and isinstance(parameters, Sequence) and parameters:
        rest = len(parameters) - 1
        return f"[{shown(parameters[0], names=names)}{f', and {rest} more' if rest else ''}]"
    if isinstance(parameters, Mapping):
        pairs = [f"{name!r}: {_value(name, value)}" for name, value in _first(parameters.items())]
        return "{" + ", ".join(_cut(pairs, len(parameters))) + "}"
    if isinstance(parameters, Sequence) and not isinstance(parameters, (str, bytes)):
        if len(names) != len(parameters):
            # One INSERT with the values of many rows, or text of somebody's own: whose is which?
            names = [next(filter(_SECRET_NAME.search, names), "")] * len(parameters)
        values = [
            _value(name, value) for name, value in zip(names, _first(parameters), strict=False)
        ]
        return "(" + ", ".join(_cut(values, len(parameters))) + ")"
    return "" if parameters is None else _value("", parameters)


def variant(statement: str, parameters: object) -> int:
    """Return a number that is equal where text and parameters are equal."""
    values = parameters.values() if isinstance(parameters, Mapping) else parameters
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        values = (values,)
    return hash((statement, *map(_number, values)))


def _number(value: object) -> int:
    try:
        return hash(value)
    except TypeError:
        return hash(_repr(value))


def _first(values: Any) -> list[Any]:
    return [value for value, _ in zip(values, range(_MOST_VALUES), strict=False)]


def _cut(parts: list[str], count: int) -> list[str]:
    return [*parts, f"… {count - len(parts)} more"] if count > len(parts) else parts


def _value(name: object, value: object) -> str:
    if isinstance(name, str) and _SECRET_NAME.search(name):
        return _HIDDEN
    if isinstance(value, (int, float)) or value is None:
        return repr(value)
    long = isinstance(value, (str, bytes)) and len(value) > _MOST_CHARACTERS
    # A long one is cut first: nobody waits for the text of a megabyte.
    head = value[: 4 * _MOST_CHARACTERS] if isinstance(value, (str, bytes)) else value
    text = _repr(head)
    if _SECRET_TEXT.search(text):
        return _HIDDEN
    return f"{text[:_MOST_CHARACTERS]}…" if long or len(text) > 2 * _MOST_CHARACTERS else text


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - somebody else's class; the statement must be sent all the same
        return f"<{type(value).__name__}>"
