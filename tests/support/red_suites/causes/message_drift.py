"""A function words its answer differently since lately; tests compare the old words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    def refusal_of_$name(key):
        return f"$name {key} was refused: $reason"


    def check_$name(key):
        raise LookupError(refusal_of_$name(key))
"""


def plant(words: Words) -> Planted:
    name, reason = words.noun(), words.noun()
    refusal = f"{name}.refusal_of_{name}('$word')"
    return Planted(
        label=f"message: {name}.refusal_of_{name}",
        modules={f"app/{name}.py": fill(_MODULE, name=name, reason=f"no {reason}")},
        imports=f"from app import {name}\n",
        red=(
            Form(f"assert {refusal} == '{name} $word refused ({reason})'"),
            Form(f"assert 'refused ({reason})' in {refusal}"),
            Form(f"assert {refusal}.endswith('({reason})')"),
            Form(
                f"with pytest.raises(LookupError, match='refused .{reason}.'):\n"
                f"    {name}.check_{name}('$word')"
            ),
        ),
        green=(Form(f"assert '$word' in {refusal}"),),
    )
