"""``testkit run``: the command as if nothing stood between, on servers that go with it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.alembic_project import AlembicProject
from tests.support.commands import TESTKIT, called, environment
from tests.support.processes import LINUX, command_lines
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PYTHON: Final = sys.executable
SHOW: Final = "import json, os; print(json.dumps({k: v for k, v in os.environ.items()}))"
# Says that it runs, then waits for its end.
# os.write: a handler may come in the middle of another write.
WAIT: Final = """
import os, signal, sys
def leave(number, frame):
    os.write(1, b"heard " + signal.Signals(number).name.encode() + b"\\n")
    os._exit(5)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, leave)
os.write(1, os.environ["DATABASE_URL"].encode() + b"\\n")
while True:
    signal.pause()
"""


def slow(*values: object) -> Any:
    """Return a row of parameters that only a slow run tries: each starts programs."""
    return pytest.param(*values, marks=pytest.mark.slow)


def run_of(
    *command: str, folder: Path, options: Sequence[str] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    return called("run", *options, "--", *command, folder=folder, **variables)


def configure(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text("[tool.testkit]\n" + textwrap.dedent(text))


def port_of(url: str) -> int:
    found = re.search(r":(\d+)/", url)
    assert found is not None
    return int(found[1])


def servers_on(port: int) -> list[str]:
    """Return the command lines of Postgres servers that were told this port."""
    return [line for line in command_lines().values() if f"port={port} " in line]


@pytest.mark.parametrize("code", [slow(0), 7])
def test_the_exit_code_of_the_command_is_passed_on(tmp_path: Path, code: int) -> None:
    done = run_of("/bin/sh", "-c", f"exit {code}", folder=tmp_path, options=["--no-postgres"])

    assert done.returncode == code, done.stderr


def test_a_command_that_ended_by_a_signal_ends_us_by_that_signal(tmp_path: Path) -> None:
    done = run_of("/bin/sh", "-c", "kill -TERM $$", folder=tmp_path, options=["--no-postgres"])

    assert done.returncode == -signal.SIGTERM


def test_a_command_that_crashed_is_told_as_a_shell_does(tmp_path: Path) -> None:
    done = run_of("/bin/sh", "-c", "kill -SEGV $$", folder=tmp_path, options=["--no-postgres"])

    assert done.returncode == 128 + signal.SIGSEGV


def test_input_and_output_pass_through_untouched_and_our_words_go_to_stderr(
    tmp_path: Path,
) -> None:
    done = called(
        "run", "--no-postgres", "--", "/bin/sh", "-c", "cat; echo oops >&2",
        folder=tmp_path, text="one\ntwo\n",
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "one\ntwo\n")
    assert "oops\n" in done.stderr
    assert "testkit: Redis (Valkey " in done.stderr


def test_arguments_that_look_like_ours_belong_to_the_command(tmp_path: Path) -> None:
    done = run_of(
        "/bin/echo", "--no-redis", "-h", "a b", "$HOME", folder=tmp_path, options=["--no-postgres"]
    )

    assert done.stdout == "--no-redis -h a b $HOME\n"


@pytest.mark.parametrize("name", ["no-such-program", slow("./not-executable")])
def test_a_command_that_cannot_be_started_is_wrong_use(tmp_path: Path, name: str) -> None:
    (tmp_path / "not-executable").write_text("")
    done = run_of(name, folder=tmp_path, options=["--no-postgres"])

    assert done.returncode == 2
    assert f"TK501: '{name}' could not be started: " in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_configuration_both_servers_run_and_both_urls_are_set(tmp_path: Path) -> None:
    script = (
        "import os, psycopg, redis\n"
        "url = os.environ['DATABASE_URL'].replace('+psycopg', '')\n"
        "with psycopg.connect(url) as connection:\n"
        "    print(connection.execute('SELECT 40 + 2').fetchone()[0])\n"
        "with redis.Redis.from_url(os.environ['REDIS_URL']) as client:\n"
        "    print(client.incr('count'))\n"
        "print(url)\n"
    )
    done = run_of(PYTHON, "-c", script, folder=tmp_path)
    answer, count, url = done.stdout.splitlines()

    assert (done.returncode, answer, count) == (0, "42", "1"), done.stderr
    assert servers_on(port_of(url)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "there", "missing"),
    [("--no-redis", "DATABASE_URL", "REDIS_URL"), ("--no-postgres", "REDIS_URL", "DATABASE_URL")],
)
def test_a_server_that_is_not_wanted_is_not_started_nor_named(
    tmp_path: Path, option: str, there: str, missing: str
) -> None:
    done = run_of(PYTHON, "-c", SHOW, folder=tmp_path, options=[option])
    found = json.loads(done.stdout)

    assert (there in found, missing in found) == (True, False)
    assert len(re.findall(r"testkit: (?:Postgres|Redis) ", done.stderr)) == 1


@pytest.mark.slow
def test_the_variables_of_env_are_set_and_nothing_else(tmp_path: Path) -> None:
    configure(
        tmp_path,
        """
        [tool.testkit.env]
        SHOP_DB = "{database.url:asyncpg}"
        SHOP_PORT = "{database.port}"
        SHOP_MODE = "test"
    """,
    )
    found = json.loads(run_of(PYTHON, "-c", SHOW, folder=tmp_path).stdout)

    assert found["SHOP_DB"].startswith("postgresql+asyncpg://postgres:")
    assert f":{found['SHOP_PORT']}/" in found["SHOP_DB"]
    assert found["SHOP_MODE"] == "test"
    assert not {"DATABASE_URL", "REDIS_URL"} & found.keys()


def test_the_configuration_is_found_from_a_folder_below_the_project(tmp_path: Path) -> None:
    configure(tmp_path, 'env = { WORD = "set" }')
    folder = tmp_path / "deep" / "down"
    folder.mkdir(parents=True)
    done = run_of("/bin/sh", "-c", "echo $WORD; pwd", folder=folder)

    assert done.stdout == f"set\n{folder}\n"


@pytest.mark.slow
def test_the_schema_is_applied(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path)
    configure(project.root, 'schema = "alembic"')
    script = (
        "import os, psycopg\n"
        "with psycopg.connect(os.environ['DATABASE_URL'].replace('+psycopg', '')) as connection:\n"
        "    print(connection.execute('SELECT count(*) FROM shop').fetchone()[0])\n"
    )
    done = run_of(
        PYTHON, "-c", script, folder=project.root, TESTKIT_CACHE_DIR=str(tmp_path / "cache")
    )

    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("isolaton = 'none'", "TK001", 2),
        slow("isolation = 3", "TK002", 2),
        slow("env = { A = '{database.uri}' }", "TK002", 2),
        slow("env = {", "TK002", 2),
        slow("schema = 'alembic'", "TK203", 2),
        ("cache_dir = '/proc/none'", "TK104", 3),
    ],
)
def test_a_bad_configuration_is_one_message_and_starts_no_command(
    tmp_path: Path, text: str, code: str, status: int
) -> None:
    configure(tmp_path, text)
    done = run_of("/bin/echo", "started", folder=tmp_path)

    assert (done.returncode, done.stdout) == (status, "")
    assert re.findall(r"^TK\d+", done.stderr, re.MULTILINE) == [code]
    assert "Traceback" not in done.stderr


def test_unknown_variables_of_ours_are_named(tmp_path: Path) -> None:
    done = run_of("/bin/echo", folder=tmp_path, options=["--no-postgres"], TESTKIT_COLOUR="blue")

    assert "testkit: not known, not used: TESTKIT_COLOUR" in done.stderr


@pytest.fixture
def waiting(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A ``testkit run`` whose command waits for a signal, in a session of its own."""
    process = subprocess.Popen(
        [TESTKIT, "run", "--no-redis", "--", PYTHON, "-c", WAIT],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    with process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, slow(signal.SIGINT), slow(signal.SIGHUP)])
def test_a_signal_reaches_the_command_which_decides_and_no_server_is_left(
    waiting: subprocess.Popen[str], number: signal.Signals
) -> None:
    assert waiting.stdout is not None
    port = port_of(waiting.stdout.readline())
    running = servers_on(port)
    waiting.send_signal(number)
    words = waiting.stdout.read()

    assert (waiting.wait(), words) == (5, f"heard {number.name}\n")
    assert running
    assert servers_on(port) == []


# Counts what it hears, and ends by SIGTERM.
COUNT: Final = """
import os, signal
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"heard SIGINT\\n"))
signal.signal(signal.SIGTERM, lambda *_: os._exit(5))
os.write(1, b"ready\\n")
while True:
    signal.pause()
"""
# Makes the terminal on file descriptor 3 its own, then becomes the command.
WITH_TERMINAL: Final = (
    "import fcntl, os, sys, termios; fcntl.ioctl(int(sys.argv[1]), termios.TIOCSCTTY, 0);"
    "os.execv(sys.argv[2], sys.argv[2:])"
)


@pytest.mark.parametrize("stdin", [slow("redirected"), "the terminal"])
def test_ctrl_c_in_a_terminal_reaches_the_command_once(tmp_path: Path, stdin: str) -> None:
    keyboard, terminal = os.openpty()
    command = [TESTKIT, "run", "--no-postgres", "--", PYTHON, "-c", COUNT]
    with subprocess.Popen(
        [PYTHON, "-S", "-c", WITH_TERMINAL, str(terminal), *command],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL if stdin == "redirected" else terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        pass_fds=[terminal],
    ) as process:
        os.close(terminal)
        assert process.stdout is not None
        ready = process.stdout.readline()
        os.write(keyboard, b"\x03")
        heard = process.stdout.readline()
        # Ours was sent at the same moment: it is handled before this one.
        process.terminate()
        rest = process.stdout.read()
    os.close(keyboard)

    assert (ready, heard, rest, process.returncode) == ("ready\n", "heard SIGINT\n", "", 5)


def test_a_signal_to_the_whole_group_reaches_the_command_once(tmp_path: Path) -> None:
    with subprocess.Popen(
        [TESTKIT, "run", "--no-postgres", "--", PYTHON, "-c", COUNT],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        heard = process.stdout.readline()
        process.terminate()
        rest = process.stdout.read()

    assert (ready, heard, rest, process.returncode) == ("ready\n", "heard SIGINT\n", "", 5)


def test_a_signal_while_the_command_is_started_reaches_it(tmp_path: Path) -> None:
    script = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); signal.pause()"
    done = run_of(PYTHON, "-S", "-c", script, folder=tmp_path, options=["--no-postgres"])

    assert done.returncode == -signal.SIGTERM


@LINUX
def test_a_kill_of_ours_leaves_no_server_and_tells_the_command(
    waiting: subprocess.Popen[str],
) -> None:
    assert waiting.stdout is not None
    port = port_of(waiting.stdout.readline())
    waiting.kill()
    words = waiting.stdout.read()  # to the end of the command
    wait_until(lambda: not servers_on(port), seconds=2)

    assert words == "heard SIGTERM\n"
    assert waiting.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_an_option_that_is_none_of_ours_is_wrong_use(tmp_path: Path) -> None:
    done = called("run", "--no-reds", "--", "/bin/echo", folder=tmp_path)
    without = called("run", "/bin/echo", "--no-reds", "-n", folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert "--no-reds" in done.stderr
    assert without.stdout == "--no-reds -n\n"


def test_a_command_that_is_not_there_is_told_before_any_server_starts(tmp_path: Path) -> None:
    done = run_of("no-such-program", folder=tmp_path)

    assert "TK501" in done.stderr
    assert "testkit: Postgres" not in done.stderr


@pytest.mark.slow
def test_a_stop_while_the_servers_are_made_cleans_up(tmp_path: Path) -> None:
    project = AlembicProject(tmp_path)
    project.version("0001", 'open("migrating", "w"); op.execute("SELECT pg_sleep(600)")')
    configure(project.root, 'schema = "alembic"')
    cache = tmp_path / "cache"
    shutil.rmtree(cache, ignore_errors=True)
    with subprocess.Popen(
        [TESTKIT, "run", "--", "/bin/echo", "started"],
        cwd=project.root,
        env=environment(TESTKIT_CACHE_DIR=str(cache)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        wait_until((project.root / "migrating").exists, seconds=30)
        process.terminate()
        words, _ = process.communicate(timeout=30)
    drafts = [path.name for path in (cache / "clusters").iterdir() if path.name.startswith(".")]

    assert (process.returncode, words) == (128 + signal.SIGTERM, "")
    assert drafts == []
