"""A rule of a conversation, and what keeps the rules that listen."""

from __future__ import annotations

__all__ = ["RULE", "Book", "Rule"]


class Rule:
    """Strikes whatever is dropped."""

    text = "request drop: dropped"


class Book:
    """The rules that listen."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, rule: Rule) -> None:
        self.rules.append(rule)

    def remove(self, rule: Rule) -> None:
        self.rules.remove(rule)


RULE = Rule()
