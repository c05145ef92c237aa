"""The code compares a time with a zone and one without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    from dataclasses import dataclass
    from datetime import UTC, datetime


    @dataclass
    class $Name:
        $column: datetime


    def now():
        return datetime(2026, 1, 1)


    def is_over(one):
        return one.$column < now()


    def left(one):
        return one.$column - now()


    def latest(many):
        return max([now(), *(one.$column for one in many)])
"""


def plant(words: Words) -> Planted:
    name = words.noun()
    column = f"{words.column()}_at"
    when = "datetime(2025, 1, 2, tzinfo=UTC)"
    one = f"{name}.{name.title()}({when})"
    return Planted(
        label=f"naive datetime: {name}.now",
        modules={f"app/{name}.py": fill(_MODULE, Name=name.title(), column=column)},
        imports=f"from datetime import UTC, datetime\nfrom app import {name}\n",
        red=(
            Form(f"assert {name}.is_over({one})"),
            Form(f"assert {name}.left({one}).days == 1"),
            Form(f"assert {name}.latest([{one}]) > {when}"),
            Form(f"one = {one}\none.{column} = {when}\nassert {name}.is_over(one)"),
        ),
        green=(Form(f"assert {one}.{column} == {when}"),),
    )
