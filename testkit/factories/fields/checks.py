"""What CHECK constraints say of single columns, from their SQL text."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from testkit.factories.fields.bounds import UNBOUND, Bounds
from testkit.factories.fields.conditions import (
    Condition,
    alternatives,
    chosen,
    together,
)
from testkit.factories.fields.negation import without_not
from testkit.factories.fields.nodes import Node, Operation
from testkit.factories.fields.numeric import number
from testkit.factories.fields.syntax import parse
from testkit.factories.fields.tokens import Token, tokens
from testkit.factories.fields.windows import Window, bounded

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["read_checks"]

MULTIPLES: Final = 200
"""How many multiples of a number stand for all of them."""

LONG: Final = 400
"""A condition of more words is read whole or not at all: taking it apart is quadratic."""


def read_checks(texts: Iterable[str], columns: Iterable[str]) -> Mapping[str, Bounds]:
    """Return what the conditions ask of each column of which they say something.

    ``texts`` are conditions as a person, SQLAlchemy or Postgres writes them. Values that hold to
    the bounds hold to every condition that could be read; what cannot be read is left out. Of
    alternatives one is taken: the first that can be read whole and does not contradict the rest.
    """
    known = frozenset(columns)
    conjuncts = [alternatives(node, known) for text in texts for node in _conjuncts(text)]
    certain = together(read[0] for read in conjuncts if len(read) == 1)
    undecided = [read for read in conjuncts if len(read) > 1]
    found = chosen(certain, undecided) or together([certain, *(read[0] for read in undecided)])
    return _spread(_with_multiples(found))


def _spread(found: dict[str, Bounds]) -> Mapping[str, Bounds]:
    """Let a column that is compared with another know of its bounds, along whole chains."""
    for _ in found:
        before = dict(found)
        for name, bounds in before.items():
            lower = [before[each] for each in bounds.above if each in before]
            upper = [before[each] for each in bounds.below if each in before]
            for each in lower:
                found[name] = found[name].merge(Bounds(low=each.low, low_open=each.low_open))
            for each in upper:
                found[name] = found[name].merge(Bounds(high=each.high, high_open=each.high_open))
        if found == before:
            break
    return found


def _with_multiples(found: Condition) -> dict[str, Bounds]:
    """List the multiples of what must divide a column."""
    listed = dict(found.bounds)
    for column, divisor in found.divisors.items():
        bounds = listed.get(column, UNBOUND)
        reach = divisor * MULTIPLES
        whole = bounded(Window(-(2**31), 2**31 - 1), bounds, number)
        low = whole.low
        if bounds.low is None:
            low = divisor if divisor <= whole.high else whole.high - reach
        first = -(-low // divisor) * divisor
        multiples = range(first, min(whole.high, first + reach) + 1, divisor)
        admitted = tuple(value for value in multiples if bounds.admits(value))
        listed[column] = replace(bounds, choices=admitted)
    return listed


def _conjuncts(text: str) -> Iterator[Node]:
    """Give the conditions that all must hold; what cannot be read among them is left out."""
    words = tokens(text) or []
    return _flat(words[1:] if words[:1] == [Token("word", "check")] else words)


def _flat(words: list[Token]) -> Iterator[Node]:
    node = parse(words)
    if node is not None:
        yield from _operands(without_not(node))
    elif len(words) <= LONG and len(parts := list(_parts(_inside(words)))) > 1:
        for part in parts:
            yield from _flat(part)


def _operands(node: Node) -> Iterator[Node]:
    if isinstance(node, Operation) and node.sign == "and":
        for operand in node.operands:
            yield from _operands(operand)
    else:
        yield node


def _depths(words: list[Token]) -> list[int]:
    """Return for each word in how many parentheses it stands."""
    depths, depth = [], 0
    for word in words:
        closing = word.sort == "sign" and word.value in {")", "]"}
        depth -= closing
        depths.append(depth)
        depth += word.sort == "sign" and word.value in {"(", "["}
    return depths


def _inside(words: list[Token]) -> list[Token]:
    """Return the words without the parentheses around all of them."""
    while len(words) > 2 and words[0].value == "(" and 0 not in _depths(words)[1:-1]:  # noqa: PLR2004 - a pair
        words = words[1:-1]
    return words


def _parts(words: list[Token]) -> Iterator[list[Token]]:
    """Give what stands between the outer ANDs; all in one where there is an outer OR as well."""
    depths = _depths(words)
    outer = [
        word.value if depth == 0 and word.sort == "word" else ""
        for word, depth in zip(words, depths, strict=True)
    ]
    part: list[Token] = []
    between = False
    for word, value in zip(words, outer, strict=True):
        if value == "and" and not between and "or" not in outer:
            yield part
            part = []
            continue
        between = value == "between" or (between and value != "and")
        part.append(word)
    yield part
