"""The functions of pytest that are stood in for, and in which form each is known.

They are private: pytest may change them in any release. A form that is not in the table turns the
feature off, so that nobody sees a traceback that pytest would not have drawn.
"""

from __future__ import annotations

import hashlib
import inspect
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["FORMS", "form_of", "unknown_among"]

#: The forms of pytest 8.2.0, 8.3.5, 8.4.2, 9.0.2, 9.1.1 and 9.2.0. With each of them a red suite
#: was drawn by both.
FORMS: Final[Mapping[str, frozenset[str]]] = {
    "bestrelpath": frozenset(("239928a7",)),
    "findsource": frozenset(("7020dd22", "d870a16a", "10c8ff9a", "da78ee92")),
    "fullsource": frozenset(("17996c12", "238e118b")),
    "get_statement_startend2": frozenset(
        ("9d3550dd", "667db9ab", "b69b87f2", "838cdda0", "a188b7ac")
    ),
    "getsource": frozenset(("cacfc367", "8415da67")),
    "getstatementrange_ast": frozenset(("a5194715", "9ff83dea", "8ca4b714")),
}


def form_of(function: Callable[..., object]) -> str:
    """Return eight hexadecimal digits of the function's source text, "" where it has none."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def unknown_among(functions: Mapping[str, Callable[..., object] | None]) -> list[str]:
    """Return the names of those that are missing or have a form that is not in the table."""
    return [
        name
        for name, function in functions.items()
        if function is None or form_of(function) not in FORMS[name]
    ]
