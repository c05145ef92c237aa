"""The command line around its commands: help, version, explain."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from testkit.core.catalogue import CATALOGUE
from testkit.core.messages import explain
from testkit.doctor.groups import ALL_RULES

if TYPE_CHECKING:
    from pathlib import Path


def called(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "testkit", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_shows_the_commands_in_their_groups(flag: str) -> None:
    done = called(flag)
    lines = [line.strip() for line in done.stdout.splitlines()]
    servers, code = lines.index("Servers:"), lines.index("Code:")

    assert (done.returncode, done.stderr) == (0, "")
    assert lines[servers + 1].startswith("run ")
    assert lines[code + 1].startswith("doctor ")
    assert lines[code + 2].startswith("explain ")


def test_the_help_of_a_command_names_its_options() -> None:
    done = called("run", "--help")

    assert done.returncode == 0
    assert "--no-redis" in done.stdout
    assert "--no-postgres" in done.stdout


def test_the_version_is_that_of_the_distribution() -> None:
    assert called("--version").stdout == f"testkit, version {version('cos-testkit')}\n"


@pytest.mark.parametrize(
    "arguments", [["no-such-command"], ["run"], ["run", "--"], ["explain", "--x"]]
)
def test_wrong_use_exits_with_2(arguments: list[str]) -> None:
    done = called(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert "Error:" in done.stderr


def test_explain_lists_every_code() -> None:
    done = called("explain")
    listed = [line.partition("  ") for line in done.stdout.splitlines()]

    assert done.returncode == 0
    assert [(code, title) for code, _, title in listed] == [
        *((code, message.title) for code, message in CATALOGUE.items()),
        *((code, rule.title) for code, rule in ALL_RULES.items()),
    ]


@pytest.mark.parametrize("code", ["TK201", "tk201"])
def test_explain_prints_the_long_text_whatever_the_case(code: str) -> None:
    assert called("explain", code).stdout == explain("TK201") + "\n"


def test_explain_prints_the_long_text_of_a_rule() -> None:
    assert called("explain", "td104").stdout == ALL_RULES["TD104"].explained + "\n"


@pytest.mark.parametrize("code", ["TK20", "E1101", "x"])
def test_an_unknown_code_is_wrong_use_and_names_the_nearest(code: str, tmp_path: Path) -> None:
    done = called("explain", code, folder=tmp_path)  # where nobody has drawn such a value

    assert (done.returncode, done.stdout) == (2, "")
    assert f"TK502: There is no message '{code}'; the nearest one is TK" in done.stderr


@pytest.mark.parametrize("command", ["explain", "ps", "reap --dry-run"])
def test_a_command_loads_neither_drivers_nor_the_other_commands(command: str) -> None:
    script = (
        "import sys\n"
        "from testkit.cli import main\n"
        f"sys.argv = ['testkit', *{command.split()}]\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    heavy = {'psycopg', 'redis', 'sqlalchemy', 'pytest', 'alembic', 'testkit.cli.run'}\n"
        "    print(sorted(heavy & sys.modules.keys()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
