"""What one comparison says of a column."""

from __future__ import annotations

import datetime as dt
import string
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from testkit.factories.fields.bounds import UNBOUND, Bounds
from testkit.factories.fields.expressions import PRINTABLE, Part, read_expression
from testkit.factories.fields.nodes import (
    Call,
    Column,
    Constant,
    Many,
    Node,
    Now,
    Operation,
    read_date,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["Saying", "said"]

TODAY: Final = dt.date(2025, 12, 31)
"""Now, for what must lie before it: values do not depend on the clock."""
LATER: Final = dt.date(2100, 1, 1)
"""Now, for what must lie after it."""
_MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "<>": "<>"}
_LENGTHS: Final = frozenset(
    {"length", "char_length", "character_length", "octet_length", "cardinality", "array_length"}
)
_TRIMS: Final = frozenset({"trim", "btrim", "ltrim", "rtrim"})
_CASES: Final = {"lower": string.ascii_uppercase, "upper": string.ascii_lowercase}
_MATCHES: Final = frozenset({"like", "ilike", "~", "~*", "^@"})
_PUNCTUATION: Final = frozenset(string.punctuation)


@dataclass(frozen=True, slots=True)
class Saying:
    """What is asked of one column: bounds, or to be a multiple of ``divisor``."""

    column: str
    bounds: Bounds = UNBOUND
    divisor: int | None = None


@dataclass(frozen=True, slots=True)
class _Subject:
    """A column inside a comparison, and the function that it stands in."""

    column: str
    function: str = ""
    divisor: Node | None = None


def said(node: Node, columns: Collection[str]) -> Saying | None:
    """Read one comparison, without AND, OR and NOT; None where it cannot be read."""
    match node:
        case Operation("not is null", (Column(name),)) if name in columns:
            return Saying(name, Bounds(required=True))
        case Operation(sign, (left, right)) if sign in _MIRRORED:
            return _compared(sign, left, right, columns)
        case Operation(sign, (left, Constant(str() as text))):
            return _matched(sign, _subject(left, columns), text)
        case Call("starts_with", (left, Constant(str() as text))):
            return _matched("^@", _subject(left, columns), text)
    return None


def _compared(sign: str, left: Node, right: Node, columns: Collection[str]) -> Saying | None:
    subject = _subject(left, columns)
    if subject is None:
        subject, right, sign = _subject(right, columns), left, _MIRRORED[sign]
    if subject is None:
        return None
    if subject.function == "%":
        return _divided(sign, subject, right)
    read = _READERS.get(subject.function)
    bounds = read(sign, subject, right) if read else None
    if bounds is None and not subject.function and isinstance(right, Column):
        bounds = _beside(sign, subject, right, columns)
    return None if bounds is None else Saying(subject.column, bounds)


def _subject(node: Node, columns: Collection[str]) -> _Subject | None:
    match node:
        case Column(name):
            return _Subject(name) if name in columns else None
        case Call("coalesce", (first, *_)):  # no value that is made is NULL
            return _subject(first, columns)
        case Call("mod", (inside, divisor)) | Operation("%", (inside, divisor)):
            found = _subject(inside, columns)
            return found and _Subject(found.column, "%", divisor)
        case Call("strpos", (inside, sought)):
            found = _subject(inside, columns)
            return found and _Subject(found.column, "strpos", sought)
        case Call("array_length", (inside, Constant(1))) | Call(_, (inside,)):
            return _in_function(node, inside, columns)
    return None


def _in_function(call: Call, inside: Node, columns: Collection[str]) -> _Subject | None:
    found = _subject(inside, columns)
    if found is None or found.function:
        return None
    if call.name in _TRIMS:  # no text that is made has blanks around it
        return found
    if call.name in _LENGTHS:
        return _Subject(found.column, "length")
    return _Subject(found.column, call.name) if call.name in _CASES else None


def _of_value(sign: str, _subject: _Subject, right: Node) -> Bounds | None:
    match right:
        case Call(name, (Many(items),)) if (name, sign) in {("any", "="), ("all", "<>")}:
            return _listed(sign, items)
        case Constant() if sign in {"=", "<>"}:
            return _listed(sign, (right,))
        case Constant(str() as text):
            return _sized(sign, read_date(text))
        case Constant(value):
            return _sized(sign, value)
        case Now():
            return _sized(sign, TODAY if sign in {"<", "<="} else LATER)
    return None


def _listed(sign: str, items: tuple[Node, ...]) -> Bounds | None:
    values = [item.value for item in items if isinstance(item, Constant)]
    if len(values) != len(items) or None in values:
        return None
    return Bounds(choices=tuple(values)) if sign == "=" else Bounds(excluded=tuple(values))


def _sized(sign: str, value: object) -> Bounds | None:
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, dt.date)):
        return None
    match sign:
        case "<" | "<=":
            return Bounds(high=value, high_open=sign == "<")
        case ">" | ">=":
            return Bounds(low=value, low_open=sign == ">")
    return None


def _of_length(sign: str, _subject: _Subject, right: Node) -> Bounds | None:
    if not isinstance(right, Constant) or not isinstance(right.value, int):
        return None
    size = right.value
    match sign:
        case "=":
            return Bounds(min_length=size, max_length=size)
        case "<>":
            return Bounds(min_length=1) if size == 0 else None
        case ">" | ">=":
            return Bounds(min_length=size + (sign == ">"))
    return Bounds(max_length=size - (sign == "<"))


def _of_case(sign: str, subject: _Subject, right: Node) -> Bounds | None:
    if sign == "=" and right == Column(subject.column):
        return Bounds(pattern=f"^[^{_CASES[subject.function]}]*$")
    return _of_value(sign, subject, right) if sign == "=" else None


def _of_place(sign: str, subject: _Subject, right: Node) -> Bounds | None:
    """Read ``strpos(email, '@') > 0``, or ``> 1``."""
    found = (sign, right) in {(">", Constant(0)), (">=", Constant(1)), ("<>", Constant(0))}
    later = (sign, right) in {(">", Constant(1)), (">=", Constant(2))}
    sought = subject.divisor.value if isinstance(subject.divisor, Constant) else None
    if not isinstance(sought, str) or not sought:
        return None
    if later and len(sought) == 1:
        return Bounds(pattern=f"^[^{_escaped(sought)}].*{_escaped(sought)}")
    return Bounds(pattern=_literal(sought)) if found else None


_READERS: Final[dict[str, Callable[[str, _Subject, Node], Bounds | None]]] = {
    "": _of_value,
    "length": _of_length,
    "lower": _of_case,
    "upper": _of_case,
    "strpos": _of_place,
}


def _divided(sign: str, subject: _Subject, right: Node) -> Saying | None:
    divisor = subject.divisor.value if isinstance(subject.divisor, Constant) else None
    if sign != "=" or right != Constant(0) or not isinstance(divisor, int) or divisor <= 0:
        return None
    return Saying(subject.column, divisor=divisor)


def _beside(sign: str, subject: _Subject, right: Column, columns: Collection[str]) -> Bounds | None:
    if right.name not in columns or right.name == subject.column:
        return None
    if sign in {">", ">="}:
        return Bounds(above=(right.name,))
    return Bounds(below=(right.name,)) if sign in {"<", "<="} else None


def _matched(sign: str, subject: _Subject | None, text: str) -> Saying | None:
    if subject is None or subject.function not in {"", *_CASES}:
        return None
    name = sign.removeprefix("not ")
    if name not in _MATCHES:
        return None
    pattern: str | None = _PATTERNS[name](text)
    if sign != name:
        pattern = _without(_PATTERNS[name](text))
    elif name in {"ilike", "~*"} or subject.function:
        pattern = f"(?i){pattern}"
    return None if pattern is None else Saying(subject.column, Bounds(pattern=pattern))


def _without(pattern: str) -> str | None:
    """Return a pattern of texts in which there is no match, if a match is one character."""
    expression = read_expression(pattern)
    if expression is None or len(expression.branches) != 1:
        return None
    branch = expression.branches[0]
    match branch.items:
        case (Part(chars, 1, 1 | None),) if not (branch.at_start or branch.at_end):
            left = "".join(_escaped(char) for char in sorted(PRINTABLE - chars))
            return f"^[{left}]*$" if left else None
    return None


def _escaped(char: str) -> str:
    return f"\\{char}" if char in _PUNCTUATION else char


def _literal(text: str) -> str:
    return "".join(map(_escaped, text))


def _like(text: str) -> str:
    """Return what LIKE asks for as a regular expression."""
    pattern, escaped = "", False
    for char in text:
        if escaped or char not in "%_\\":
            pattern += _escaped(char)
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "_":
            pattern += "."
        elif not pattern.endswith(".*"):  # several are as good as one
            pattern += ".*"
    pattern = f"^{pattern}$"
    return pattern.removeprefix("^.*").removesuffix(".*$") if pattern != "^.*$" else ".*"


_PATTERNS: Final[dict[str, Callable[[str], str]]] = {
    "like": _like,
    "ilike": _like,
    "~": str,
    "~*": str,
    "^@": lambda text: f"^{_literal(text)}",
}
