"""What all commands of ``python -m cos`` have in common."""

import subprocess
import sys

import pytest

from cos.cli import COMMANDS, main
from tests.cos.commands import ROOT, run

UNCONFIGURED: dict[str, str | None] = {"DATABASE_URL": None, "REDIS_URL": None}


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize("value", [None, "", "mysql://u:hunter2@h/d"])
def test_without_a_usable_database_there_is_one_message(command: str, value: str | None) -> None:
    done = run(command, DATABASE_URL=value)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("DATABASE_URL ")
    assert done.stderr.count("\n") == 3
    assert "hunter2" not in done.stderr


def test_serve_needs_a_redis_and_migrate_does_not() -> None:
    codes = [run(command, REDIS_URL=None).exit_code for command in ("serve", "migrate")]

    assert codes == [2, 0]


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_needs_no_configuration(command: str | None, option: str) -> None:
    done = run(*([command] if command else []), option, **UNCONFIGURED)

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: python -m cos {command or '[OPTIONS]'}")


def test_the_line_in_the_list_is_how_the_help_of_the_command_begins() -> None:
    for name, (_, line) in COMMANDS.items():
        command = main.get_command(main.make_context("cos", ["x"]), name)

        assert command is not None
        assert (command.help or "").startswith(line.rstrip("."))


def test_the_list_names_every_command() -> None:
    done = run("--help")

    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["--nothing"], ["serve", "extra"]])
def test_anything_else_is_wrong_use(arguments: list[str]) -> None:
    done = run(*arguments, **UNCONFIGURED)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Usage: python -m cos" in done.stderr


@pytest.mark.slow
def test_the_list_of_commands_loads_none_of_them() -> None:
    code = (
        "import sys, cos.cli\n"
        "cos.cli.main(['--help'], standalone_mode=False)\n"
        "print(sys.modules.keys() & {'alembic', 'fastapi', 'sqlalchemy', 'uvicorn'})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.endswith("\nset()\n")
