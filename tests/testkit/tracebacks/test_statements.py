"""Where statements begin: the same as pytest finds by walking the whole tree."""

from __future__ import annotations

import ast
import sysconfig
from itertools import islice
from pathlib import Path
from typing import Final

import pytest
import sqlalchemy
from _pytest._code.source import get_statement_startend2

from testkit.tracebacks.statements import begins_of, extent

STDLIB: Final = Path(sysconfig.get_paths()["stdlib"])
TEXT: Final = '''\
import os

@first
@second(
    1,
)
class A:
    """A docstring
    over two lines."""

    async def method(self):
        try:
            async with self as one, two:
                pass
        except* (ValueError, TypeError) as group:
            raise
        else:

            return 1
        finally:
            # A comment before the statement.
            done()

    value = [
        x
        for x in y
    ]; other = 2

match value:
    case {"a": 1}:
        while True:
            break
        else:
            pass
    case _:
        for x in y:
            pass
        else:
            if x:
                pass
            elif y:
                lambda: (
                    1
                )
            else:
                pass
'''


def differing(text: str) -> list[int]:
    """Return the lines for which pytest answers otherwise."""
    tree = ast.parse(text)
    begins = begins_of(text)
    lines = range(text.count("\n") + 2)
    return [
        line
        for line in lines
        if (found := extent(begins, line)) is not None
        and found != get_statement_startend2(line, tree)
    ]


def test_each_line_of_every_kind_of_statement_has_the_extent_that_pytest_finds() -> None:
    assert differing(TEXT) == []
    assert begins_of(TEXT) == sorted(begins_of(TEXT))


def test_a_line_before_the_first_statement_has_no_extent() -> None:
    begins = begins_of("# a comment\n\nx = 1\n")

    assert [extent(begins, line) for line in range(4)] == [None, None, (2, None), (2, None)]


def test_an_empty_file_has_no_statement() -> None:
    assert begins_of("") == []
    assert extent([], 0) is None


def test_what_does_not_compile_raises() -> None:
    with pytest.raises(SyntaxError):
        begins_of("def (:\n")


def test_warnings_of_the_compiler_are_not_told_again() -> None:
    assert begins_of('x = "\\d" is 1\n') == [0]


@pytest.mark.parametrize(
    "folder",
    [STDLIB / "asyncio", Path(sqlalchemy.__file__).parent / "util"],
    ids=lambda folder: folder.name,
)
def test_files_of_libraries_have_the_extents_that_pytest_finds(folder: Path) -> None:
    found = {path.name: differing(path.read_text()) for path in islice(folder.glob("*.py"), 4)}

    assert found
    assert not any(found.values())


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_every_line_of_every_installed_file_has_the_extent_that_pytest_finds() -> None:
    folders = (STDLIB, Path(sqlalchemy.__file__).parents[1])
    wrong = []
    count = 0
    for path in sorted({p for folder in folders for p in folder.rglob("*.py")}):
        try:
            text = path.read_text()
            tree = ast.parse(text)
        except (SyntaxError, ValueError):
            continue
        begins = begins_of(text)
        # The walk over the tree once for all lines: what pytest bisects is what it walks.
        walked = sorted(_walked(tree))
        if walked != begins:
            wrong.append(str(path))
        count += 1

    assert wrong == []
    assert count > 1000


def _walked(tree: ast.AST) -> list[int]:
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            lines += [d.lineno - 1 for d in getattr(node, "decorator_list", ())]
            lines.append(node.lineno - 1)
            lines += [
                inner[0].lineno - 2
                for name in ("finalbody", "orelse")
                if (inner := getattr(node, name, None))
            ]
    return lines
