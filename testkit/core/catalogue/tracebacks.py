"""Fast tracebacks: TK750 to TK759."""

from __future__ import annotations

from typing import Final

from testkit.core.catalogue.message import Message

__all__ = ["TRACEBACKS"]

TRACEBACKS: Final[dict[str, Message]] = {
    "TK750": Message(
        "Tracebacks are drawn by pytest's own functions",
        "This pytest ({version}) has functions that testkit does not know: {names}. Tracebacks are drawn by it alone.",
        "the drawing of the first failure",
        "Functions that pytest may change in any release are stood in for only in the forms that were tried.",
        "testkit explain TK750",
        "Nothing is lost but time: a red run reads the file of each frame of each failure anew. A newer testkit may\n"
        "know this pytest. `fast_tracebacks = false` in [tool.testkit] turns the feature and this line off.",
    ),
    "TK751": Message(
        "Tracebacks are drawn by pytest's own functions, for they differ",
        "What testkit would draw of {place} is not what pytest {version} draws. Tracebacks are drawn by it alone.",
        "the drawing of the first failure",
        "Another plugin changed how pytest reads source, or the file changed while the run went on.",
        "testkit explain TK751",
        "Each process compares a few frames of its first failure with what pytest itself draws, and leaves the drawing\n"
        "to pytest where they differ. `fast_tracebacks = false` in [tool.testkit] turns the feature and this line off.",
    ),
}
