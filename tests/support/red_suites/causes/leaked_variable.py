"""An earlier test sets an environment variable and leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_MODULE = """
    import os


    def $column():
        return os.environ.get("$VARIABLE", "$usual")


    def is_usual():
        return $column() == "$usual"


    def path_of(key):
        return f"/data/{$column()}/{key}"


    def limit():
        return {"$usual": $n}[$column()]
"""


def plant(words: Words) -> Planted:
    name, column = words.noun(), words.column()
    usual, n = words.noun(), words.number()
    variable = f"{name}_{column}".upper()
    return Planted(
        label=f"leaked variable: {variable}",
        modules={
            f"app/{name}.py": fill(_MODULE, column=column, VARIABLE=variable, usual=usual, n=n)
        },
        imports=f"import os\nfrom app import {name}\n",
        first=(
            Form(
                f"os.environ['{variable}'] = '{words.noun()}'\n"
                f"assert {name}.{column}() != '{usual}'"
            ),
        ),
        red=(
            Form(f"assert {name}.{column}() == '{usual}'"),
            Form(f"assert {name}.is_usual()"),
            Form(f"assert {name}.path_of('$word') == '/data/{usual}/$word'"),
            Form(f"assert {name}.limit() == {n}"),
        ),
        green=(Form(f"assert {name}.path_of('$word').endswith('$word')"),),
    )
