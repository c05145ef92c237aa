"""The catalogue: complete, rendered with values, and every command in it runs."""

from __future__ import annotations

import ast
import os
import pickle
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from string import Formatter
from typing import Final

import pytest

import testkit
from testkit.cli import main
from testkit.core import catalogue
from testkit.core.catalogue import CATALOGUE
from testkit.core.messages import TestkitError, explain, missing_extra, render

SOURCE: Final = Path(testkit.__file__).parent
PYPROJECT: Final = SOURCE.parent / "pyproject.toml"
# One value for every name that the texts use; what is not listed is a short text.
VALUES: Final[dict[str, object]] = {
    "key": "colour",
    "value": "blue",
    "nearest": "TK101",
    "code": 1,
    "seconds": 2,
    "extra": "embedded",
    # A shell that asks and ends, in place of one that waits for a person.
    "shell": "psql -- -c 'SELECT 1'",
    "log": "first line\nsecond line",
}


# What raises a code: TestkitError and its subclasses.
RAISED: Final = {"TestkitError", "UnexpectedQueriesError"}


def values_of(code: str) -> dict[str, object]:
    names = {name for part in CATALOGUE[code][1:5] for name in fields(part)}
    return {name: VALUES.get(name, f"the {name}") for name in names}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def raised() -> list[tuple[str, set[str], str]]:
    """Return code, names of values and place of every error of ours in the package."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in RAISED):
                continue
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                given = {keyword.arg or "**" for keyword in node.keywords}
                place = f"{path.relative_to(SOURCE)}:{node.lineno}"
                found.append((first.value, given, place))
    return found


@pytest.mark.parametrize("code", CATALOGUE)
def test_a_message_has_a_code_and_four_parts_with_its_values(code: str) -> None:
    text = render(code, **values_of(code))
    parts = re.fullmatch(
        r"(?P<code>TK\d{3}): (?P<happened>.+?)\n  where: (?P<where>.+?)\n"
        r"  why:   (?P<why>.+?)\n  run:   (?P<run>.+)",
        text,
        re.DOTALL,
    )

    assert parts is not None, text
    assert parts["code"] == code
    assert all(part.strip() for part in parts.groups())
    assert not re.search(r"[{}]\w", text.replace('{"', "")), "a placeholder was left"


@pytest.mark.parametrize("code", CATALOGUE)
def test_the_long_text_of_a_message_names_its_values_and_says_more(code: str) -> None:
    text = explain(code)

    assert text.startswith(f"{code}: {CATALOGUE[code].title}\n")
    assert all(f"<{name}>" in text for name in fields(CATALOGUE[code].happened))
    assert re.split(r"[{}]", CATALOGUE[code].more)[0] in text
    assert CATALOGUE[code].more
    assert not re.search(r"\{\{|\{\w+!?r?\}", text), "a placeholder was left"


def test_no_code_stands_twice_in_the_catalogue() -> None:
    codes = [
        str(key.value)
        for file in sorted(Path(catalogue.__file__).parent.glob("*.py"))
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    ]

    assert sorted(codes) == sorted(set(codes)) == sorted(CATALOGUE)


def test_each_part_is_in_order() -> None:
    assert [list(part) for part in catalogue.PARTS] == [sorted(part) for part in catalogue.PARTS]


def test_every_message_is_raised_somewhere_and_every_raise_gives_its_values() -> None:
    calls = raised()
    missing = {
        place: names
        for code, given, place in calls
        if (names := set(values_of(code)) - given) and "**" not in given
    }

    assert missing == {}
    assert {code for code, _, _ in calls} == set(CATALOGUE)


LINES: Final = sorted({m.run for m in CATALOGUE.values()})


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("testkit explain ")])
def test_the_explanation_that_a_message_names_is_there(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In this process: there are many, and tests/testkit/cli/test_commands.py starts the program."""
    monkeypatch.setattr(sys, "argv", shlex.split(line.format(**VALUES)))
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()

    assert ended.value.code == 0, printed.err
    assert printed.out.strip()


@pytest.mark.parametrize(
    "line",
    [
        # With a shell, a run starts a program within a program.
        pytest.param(line, marks=[pytest.mark.slow] if "{shell}" in line else [])
        for line in LINES
        if not line.startswith("testkit explain ")
    ],
)
def test_the_command_that_a_message_names_runs(line: str, tmp_path: Path) -> None:
    command = shlex.split(line.format(**VALUES))
    if command[:2] == ["pip", "install"]:
        name, extra = command[2].rstrip("]").split("[")
        project = tomllib.loads(PYPROJECT.read_text())["project"]

        assert (project["name"], extra in project["optional-dependencies"]) == (name, True)
        return
    programs = Path(sys.executable).parent
    done = subprocess.run(
        [programs / command[0], *command[1:]],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("module", ["psycopg", "psycopg.rows", "redis.asyncio", "factory"])
def test_a_missing_extra_is_named_with_one_that_exists(module: str) -> None:
    error = missing_extra(module, "/usr/bin/python3")
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]

    assert error is not None
    assert error.values["extra"] in extras
    assert f'pip install "cos-testkit[{error.values["extra"]}]"' in str(error)


def test_a_module_that_is_no_extra_of_ours_is_not_explained() -> None:
    assert missing_extra("psycopg_pool_of_mine", "/usr/bin/python3") is None


def test_an_error_crosses_processes_with_code_values_and_text() -> None:
    error = TestkitError("TK202", ini=Path("alembic.ini"), root=Path("/srv/shop"))
    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is TestkitError
    assert (copy.code, copy.values, str(copy)) == (error.code, error.values, str(error))


def test_a_value_with_braces_is_shown_as_it_is() -> None:
    error = TestkitError("TK002", key="env.A", value="{x.y}", problem="{0}", source="here")

    assert "env.A = '{x.y}' cannot be used: {0}." in str(error)


def test_every_line_of_a_log_stays_under_its_part() -> None:
    text = render("TK103", command="initdb", end="exit code 1", directory="/d", log="one\ntwo")

    assert text.splitlines()[-3:-1] == [" " * 9 + "one", " " * 9 + "two"]
