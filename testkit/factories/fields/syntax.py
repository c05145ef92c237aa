"""A reader of SQL conditions, by recursive descent: texts to trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testkit.factories.fields.nodes import (
    Call,
    Column,
    Constant,
    Many,
    Node,
    Now,
    Operation,
    calculated,
    cast,
    number,
)

if TYPE_CHECKING:
    from testkit.factories.fields.tokens import Token

__all__ = ["COMPARISONS", "parse"]


COMPARISONS: Final = frozenset({"<", "<=", "=", "<>", ">=", ">"})
MATCHES: Final = frozenset(
    {"~", "~*", "!~", "!~*", "like", "ilike", "not like", "not ilike", "||", "^@"}
)
_WORDS: Final[dict[str, Node]] = {
    "true": Constant(True),
    "false": Constant(False),
    "null": Constant(None),
    "current_date": Now(),
    "current_timestamp": Now(),
    "localtimestamp": Now(),
}
_NOW_CALLS: Final = frozenset(
    {"now", "statement_timestamp", "clock_timestamp", "transaction_timestamp"}
)
_MORE_OF_A_TYPE: Final = frozenset({"varying", "precision", "with", "without", "time", "zone"})
_RESERVED: Final = frozenset(
    {"and", "or", "not", "in", "is", "between", "like", "ilike", "case", "when"}
)


class UnreadableError(Exception):
    """The condition has something that is not read here."""


def parse(words: list[Token]) -> Node | None:
    """Return the tree of a condition; None where it cannot be read."""
    reader = _Reader(words)
    try:
        node = reader.disjunction()
    except (UnreadableError, RecursionError):
        return None
    return node if reader.at == len(words) else None


@dataclass(slots=True)
class _Reader:
    words: list[Token]
    at: int = 0

    def sees(self, *values: str) -> bool:
        ahead = self.words[self.at : self.at + len(values)]
        return [token.value for token in ahead if token.sort in {"word", "sign"}] == list(values)

    def take(self, *values: str) -> bool:
        if self.sees(*values):
            self.at += len(values)
            return True
        return False

    def expect(self, value: str) -> None:
        if not self.take(value):
            raise UnreadableError

    def next(self) -> Token:
        if self.at >= len(self.words):
            raise UnreadableError
        self.at += 1
        return self.words[self.at - 1]

    def disjunction(self) -> Node:
        branches = [self.conjunction()]
        while self.take("or"):
            branches.append(self.conjunction())
        return branches[0] if len(branches) == 1 else Operation("or", tuple(branches))

    def conjunction(self) -> Node:
        parts = [self.negation()]
        while self.take("and"):
            parts.append(self.negation())
        return parts[0] if len(parts) == 1 else Operation("and", tuple(parts))

    def negation(self) -> Node:
        if self.take("not"):
            return Operation("not", (self.negation(),))
        return self.test()

    def test(self) -> Node:
        node = self.comparison()
        while self.take("is"):
            opposite = self.take("not")
            node = self.after_is(node)
            node = Operation("not", (node,)) if opposite else node
        return node

    def after_is(self, node: Node) -> Node:
        if self.take("null"):
            return Operation("is null", (node,))
        if self.take("distinct", "from"):
            return Operation("not", (Operation("=", (node, self.comparison())),))
        if self.take("true") or self.take("false"):
            wanted = self.words[self.at - 1].value == "true"
            return Operation("=", (node, Constant(wanted)))
        raise UnreadableError

    def comparison(self) -> Node:
        node = self.membership()
        while self.at < len(self.words) and self.words[self.at].sort == "sign":
            sign = self.words[self.at].value
            if sign not in COMPARISONS:
                break
            self.at += 1
            node = Operation(sign, (node, self.quantified() or self.membership()))
        return node

    def quantified(self) -> Node | None:
        """Read ANY (...) and ALL (...)."""
        for word in ("any", "some", "all"):
            if self.take(word, "("):
                inside = self.disjunction()
                self.expect(")")
                return Call("all" if word == "all" else "any", (inside,))
        return None

    def membership(self) -> Node:
        node = self.matching()
        opposite = self.sees("not", "in") or self.sees("not", "between")
        opposite = opposite or self.sees("not", "like") or self.sees("not", "ilike")
        self.at += opposite
        if self.take("between"):
            self.take("symmetric")
            low = self.matching()
            self.expect("and")
            node = Operation("between", (node, low, self.matching()))
        elif self.take("in"):
            self.expect("(")
            node = Operation("=", (node, Call("any", (Many(self.items(")")),))))
        elif self.take("like"):
            node = Operation("like", (node, self.matching()))
        elif self.take("ilike"):
            node = Operation("ilike", (node, self.matching()))
        return Operation("not", (node,)) if opposite else node

    def items(self, end: str) -> tuple[Node, ...]:
        items: list[Node] = []
        while not self.take(end):
            if items:
                self.expect(",")
            items.append(self.disjunction())
        return tuple(items)

    def matching(self) -> Node:
        node = self.sum()
        while self.at < len(self.words) and self.words[self.at].sort == "sign":
            sign = self.words[self.at].value
            if sign not in MATCHES:
                break
            self.at += 1
            operands = (node, self.quantified() or self.sum())
            node = (
                Operation(
                    "not", (Operation(sign.removeprefix("not ").removeprefix("!"), operands),)
                )
                if sign.startswith(("not ", "!"))
                else Operation(sign, operands)
            )
        return node

    def sum(self) -> Node:
        node = self.product()
        while self.sees("+") or self.sees("-"):
            node = calculated(self.next().value, node, self.product())
        return node

    def product(self) -> Node:
        node = self.signed()
        while self.sees("*") or self.sees("/") or self.sees("%"):
            node = calculated(self.next().value, node, self.signed())
        return node

    def signed(self) -> Node:
        if self.take("-"):
            return calculated("-", Constant(0), self.signed())
        self.take("+")
        return self.cast()

    def cast(self) -> Node:
        node = self.primary()
        while True:
            if self.take("::"):
                node = cast(node, self.type_name())
            elif self.take("collate"):
                self.next()
            elif self.take("["):
                raise UnreadableError
            else:
                return node

    def type_name(self) -> str:
        """Read the name of a type, and return its first word, with [] for an array."""
        name = self.next().value
        while self.take("."):
            name = self.next().value
        while self.at < len(self.words) and self.words[self.at].value in _MORE_OF_A_TYPE:
            self.at += 1
        if self.take("("):
            self.items(")")
        while self.at < len(self.words) and self.words[self.at].value in _MORE_OF_A_TYPE:
            self.at += 1
        while self.take("[", "]"):
            name += "[]"
        return name

    def primary(self) -> Node:
        token = self.next()
        if token.sort == "number":
            return number(token.value)
        if token.sort == "text":
            return Constant(token.value)
        if token.sort == "sign":
            if token.value != "(":
                raise UnreadableError
            inside = self.items(")")
            return inside[0] if len(inside) == 1 else Many(inside)
        return self.named(token)

    def named(self, token: Token) -> Node:
        name = token.value
        if token.sort == "word" and (node := self.special(name)) is not None:
            return node
        while self.take("."):
            name = self.next().value
        if self.take("("):
            arguments = self.items(")")
            return Now() if name in _NOW_CALLS else Call(name, arguments)
        return Column(name)

    def call_in_words(self, name: str) -> Node:
        """Read ``position(a IN b)``, ``trim(BOTH FROM b)`` and ``trim(b)``."""
        self.expect("(")
        if name == "position":
            sought = self.sum()
            self.expect("in")
            call = Call("strpos", (self.sum(), sought))
        else:
            if self.take("both") or self.take("leading") or self.take("trailing"):
                self.expect("from")
            call = Call("trim", (self.sum(),))
        self.expect(")")
        return call

    def special(self, word: str) -> Node | None:
        """Read what is no name of a column or function."""
        if word in _RESERVED:
            raise UnreadableError
        if word == "array" and self.take("["):
            return Many(self.items("]"))
        if word == "cast" and self.take("("):
            node = self.disjunction()
            self.expect("as")
            node = cast(node, self.type_name())
            self.expect(")")
            return node
        if word in {"position", "trim"} and self.sees("("):
            return self.call_in_words(word)
        if self.at < len(self.words) and self.words[self.at].sort == "text":
            return cast(Constant(self.next().value), word)
        return _WORDS.get(word)
