"""``assertion``: the sides of a comparison, and what was None in the line that failed."""

from __future__ import annotations

import ast
import linecache
import re
from typing import TYPE_CHECKING, Any, Final

from testkit.core.runs.failure import Evidence
from testkit.record.evidence.safely import MISSING, attribute, mro
from testkit.record.evidence.scene import locals_of
from testkit.record.evidence.texts import told

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from testkit.core.runs.failure import Json
    from testkit.record.evidence.scene import Scene

__all__ = ["assertion", "statement_at"]

_ASSERTED: Final = re.compile(
    r"^assert (?P<left>.{1,600}?) (?P<operator>==|!=|<=|>=|<|>|is not|is|not in|in)"
    r" (?P<right>.{1,600})$",
    re.MULTILINE,
)
_UNITTEST: Final = re.compile(
    r"^(?P<left>.{1,600}?) (?P<operator>!=|==|not less than or equal to|not less than"
    r"|not greater than or equal to|not greater than|is not|not found in) (?P<right>[^\n]{1,600})"
)
_ASSERTS_THAT: Final = {
    "!=": "==",
    "==": "!=",
    "not less than": "<",
    "not less than or equal to": "<=",
    "not greater than": ">",
    "not greater than or equal to": ">=",
    "is not": "is",
    "not found in": "in",
}
_NONE: Final = re.compile(r"^ *\+ *where None = (.{1,200})$", re.MULTILINE)
_OF_NONE: Final = re.compile(r"'NoneType'|\bNone\b")
_MOST_LINES: Final = 12
_MOST_NAMES: Final = 8


def assertion(scene: Scene) -> Iterator[Evidence]:
    """Tell of a failed assertion, and of an error that speaks of None."""
    raised = scene.chain[0]
    asserted = any(cls is AssertionError for cls in mro(type(scene.raised)))
    if not asserted and not _OF_NONE.search(raised.message):
        return
    facts: dict[str, Json] = {}
    if asserted:
        facts = _compared(raised.message, by_unittest=_is_of_unittest(scene))
    # pytest draws the object before the attribute; the line names it.
    none = list(dict.fromkeys(_none_in_line(scene))) or _NONE.findall(raised.message)
    if none:
        facts["none"] = [*none[:_MOST_NAMES]]
    if facts:
        facts["text"] = told(raised.message, 600)
        yield Evidence("assertion", facts)


def _compared(message: str, *, by_unittest: bool) -> dict[str, Json]:
    found = (_UNITTEST if by_unittest else _ASSERTED).search(message)
    if found is None:
        return {}
    operator = found["operator"]
    return {
        "left": found["left"],
        "operator": _ASSERTS_THAT[operator] if by_unittest else operator,
        "right": found["right"],
    }


def _is_of_unittest(scene: Scene) -> bool:
    last = scene.chain[0].frames[-1:]
    return bool(last) and last[0].path.endswith("unittest/case.py")


def _none_in_line(scene: Scene) -> Iterator[str]:
    if not scene.own:
        return
    place = scene.own[-1]
    statement = statement_at(place)
    if statement is None:
        return
    held = locals_of(place.tb_frame)
    for node in ast.walk(statement):
        if isinstance(node, ast.Name | ast.Attribute) and _value(node, held) is None:
            yield told(ast.unparse(node), 120)


def _value(node: ast.expr, held: dict[str, Any]) -> Any:
    """Return what a name or a chain of attributes stands for, as far as it is stored."""
    if isinstance(node, ast.Name):
        return held.get(node.id, MISSING)
    if isinstance(node, ast.Attribute):
        owner = _value(node.value, held)
        return MISSING if owner is MISSING or owner is None else attribute(owner, node.attr)
    return MISSING


def statement_at(place: TracebackType) -> ast.stmt | None:
    """Return the statement that begins in this line, None where it cannot be read."""
    line, path = place.tb_lineno or 0, place.tb_frame.f_code.co_filename
    text = ""
    for number in range(line, line + _MOST_LINES):
        text += linecache.getline(path, number)
        try:
            body = ast.parse(text.strip()).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return body[0] if body else None
    return None
