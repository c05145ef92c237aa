"""The words of a SQL expression."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Token", "tokens"]

Sort = Literal["word", "name", "text", "number", "sign"]


@dataclass(frozen=True, slots=True)
class Token:
    """One word: ``name`` is a quoted identifier, ``word`` an unquoted one, in lower case."""

    sort: Sort
    value: str


_WORDS: Final = re.compile(
    r"""
    (?P<skip> \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<number> (?: \d+ (?:\.\d*)? | \.\d+ ) (?:[eE][+-]?\d+)? )
  | (?P<escaped> [eE]' (?: [^'\\] | \\. | '' )* ' )
  | (?P<text> ' (?: [^'] | '' )* ' )
  | (?P<name> " (?: [^"] | "" )+ " )
  | (?P<word> [^\W\d] [\w$]* )
  | (?P<sign> [-+*/<>=]* [~!@#%^&|`?] [-+*/<>=~!@#%^&|`?]* | ->>? | :: | <= | >= | <> | [^\s'"$] )
    """,
    re.VERBOSE | re.DOTALL,
)


def tokens(text: str) -> list[Token] | None:
    """Split an expression; None where there is something that is not known here."""
    found: list[Token] = []
    end = 0
    for match in _matches(text):
        end = match.end()
        token = _token(match)
        if token is not None:
            found.append(token)
    return found if end == len(text) else None


def _matches(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while match := _WORDS.match(text, at):
        yield match
        at = match.end()


def _token(match: re.Match[str]) -> Token | None:
    made = _TOKENS.get(match.lastgroup or "")
    return made(match[0]) if made else None


# As SQLAlchemy writes a percent sign for drivers; as Postgres writes operators.
_SAME: Final = {
    "%%": "%",
    "!=": "<>",
    "~~": "like",
    "!~~": "not like",
    "~~*": "ilike",
    "!~~*": "not ilike",
}
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)


_TOKENS: Final[dict[str, Callable[[str], Token]]] = {
    "number": lambda words: Token("number", words),
    "escaped": lambda words: Token("text", _unescaped(words[2:-1].replace("''", "'"))),
    "text": lambda words: Token("text", words[1:-1].replace("''", "'")),
    "name": lambda words: Token("name", words[1:-1].replace('""', '"')),
    "word": lambda words: Token("word", words.lower()),
    "sign": lambda words: Token("sign", _SAME.get(words, words)),
}
