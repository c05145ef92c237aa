"""Conditions without NOT: it is moved down until it is part of an operator."""

from __future__ import annotations

from typing import Final

from testkit.factories.fields.nodes import Call, Column, Constant, Node, Operation, Unread

__all__ = ["without_not"]

_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "<>", "<>": "="}
_QUANTIFIERS: Final = {"any": "all", "all": "any"}
_REFUSED: Final = frozenset({"is null", "like", "ilike", "~", "~*"})


def without_not(node: Node) -> Node:
    """Return a condition that holds for the same rows, as far as no column is NULL."""
    match node:
        case Operation("not", (inside,)):
            return _opposite(inside)
        case Operation(("and" | "or") as sign, operands):
            return Operation(sign, tuple(without_not(operand) for operand in operands))
        case Operation("between", (value, low, high)):
            return Operation("and", (Operation(">=", (value, low)), Operation("<=", (value, high))))
    return node


def _opposite(node: Node) -> Node:
    match node:
        case Operation("not", (inside,)):
            return without_not(inside)
        case Operation(("and" | "or") as sign, operands):
            other = "or" if sign == "and" else "and"
            return Operation(other, tuple(_opposite(operand) for operand in operands))
        case Operation("between", _):
            return _opposite(without_not(node))
        case Column():
            return Operation("=", (node, Constant(False)))
    return _opposite_test(node)


def _opposite_test(node: Node) -> Node:
    match node:
        case Operation(sign, (left, Call(("any" | "all") as name, inside))) if sign in _OPPOSITE:
            return Operation(_OPPOSITE[sign], (left, Call(_QUANTIFIERS[name], inside)))
        case Operation(sign, operands) if sign in _OPPOSITE:
            return Operation(_OPPOSITE[sign], operands)
        case Operation(sign, operands) if sign in _REFUSED:
            return Operation(f"not {sign}", operands)
    return Unread()
