"""What a person chose to leave: ``# testkit: ignore[TD201] reason`` on the line of a finding."""

from __future__ import annotations

import io
import re
import tokenize
from typing import Final

__all__ = ["WITHOUT_REASON", "ignored"]

#: What stands for a comment that gives no reason: such a one ignores nothing.
WITHOUT_REASON: Final = "without a reason"
_MARK: Final = "testkit: ignore"
_COMMENT: Final = re.compile(r"#\s*testkit: ignore\[(?P<codes>[\w,\s]+)\]\s*(?P<reason>.*)")


def ignored(text: str) -> dict[int, frozenset[str]]:
    """Return by line which codes are ignored there; a comment of a line of its own counts below.

    The line of a comment that gives no reason has ``WITHOUT_REASON`` among its codes.
    """
    if _MARK not in text:
        return {}
    found: dict[int, frozenset[str]] = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            match = _COMMENT.match(token.string) if token.type == tokenize.COMMENT else None
            if match is None:
                continue
            codes = {code.strip().upper() for code in match["codes"].split(",") if code.strip()}
            alone = not token.line[: token.start[1]].strip()
            line = token.start[0] + alone
            reason = match["reason"].strip()
            found[line] = found.get(line, frozenset()) | (codes if reason else {WITHOUT_REASON})
    except (tokenize.TokenError, SyntaxError):  # the file does not compile: that is told elsewhere
        return found
    return found
