"""A mock without answers is compared, computed and looped over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    def total(gateway):
        return sum(line.price for line in gateway.lines())


    def is_open(gateway):
        return gateway.balance() > 0


    def balance(gateway):
        return gateway.balance()


    def label(gateway):
        return "no. " + gateway.number
"""
_CONFTEST = """
    @pytest.fixture
    def ${name}_gateway():
        from unittest.mock import $Mock

        return $Mock(name="${name}_gateway")
"""


def plant(words: Words) -> Planted:
    name = words.noun()
    mock = words.draw.choice(("Mock", "MagicMock"))
    gateway = f"{name}_gateway"
    return Planted(
        label=f"mock: {gateway}",
        modules={f"app/{name}.py": fill(_MODULE)},
        imports=f"from app import {name}\n",
        conftest=fill(_CONFTEST, name=name, Mock=mock),
        red=(
            Form(f"assert {name}.is_open({gateway})", gateway),
            Form(f"assert {name}.balance({gateway}) == $n", gateway),
            Form(f"assert {name}.label({gateway}) == 'no. $n'", gateway),
            Form(f"{gateway}.lines()\nassert {name}.total({gateway}) == $n", gateway),
        ),
        green=(Form(f"{gateway}.balance()\n{gateway}.balance.assert_called_once()", gateway),),
    )
