"""A fixture of the whole session fails: every test that needs it is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.red_suites.planted import Form, Planted, fill

if TYPE_CHECKING:
    from tests.support.red_suites.words import Words

__all__ = ["plant"]

_FIXTURES = """
    @pytest.fixture(scope="session")
    def ${fixture}_catalog():
        $failing


    @pytest.fixture
    def first_of_$fixture(${fixture}_catalog):
        return ${fixture}_catalog[0]


    @pytest.fixture
    def count_of_$fixture(${fixture}_catalog):
        return len(${fixture}_catalog)
"""
_FAILING = (
    'raise RuntimeError("the $fixture catalog of $where is empty")',
    "return [1, 2][$n]",
    'return {"$where": 1}["$fixture"]',
    'return open("/nonexistent/$where.csv").read()',
    'return int("$where")',
)


def plant(words: Words) -> Planted:
    fixture = words.noun()
    failing = words.draw.choice(_FAILING)
    inner = fill(failing, fixture=fixture, where=words.noun(), n=words.number()).strip()
    return Planted(
        label=f"failing fixture: {fixture}_catalog",
        conftest=fill(_FIXTURES, fixture=fixture, failing=inner),
        red=(
            Form(f"assert {fixture}_catalog", f"{fixture}_catalog"),
            Form(f"assert first_of_{fixture} == $n", f"first_of_{fixture}"),
            Form(f"assert count_of_{fixture} > 1", f"count_of_{fixture}"),
        ),
    )
