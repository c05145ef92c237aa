"""``testkit redis-cli``: the installed client where there is one, else a prompt of our own."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.commands import TESTKIT, called, environment
from tests.support.processes import LINUX, command_lines
from tests.support.suites import Suite
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.testkit.cli.conftest import HeldRun

NEEDS_CLIENT = pytest.mark.skipif(
    not (shutil.which("redis-cli") or shutil.which("valkey-cli")),
    reason="needs redis-cli or valkey-cli: apt-get install redis-tools",
)
# Nothing but Python: then no client is found.
BARE: Final = str(Path(sys.executable).parent)
# A test for each worker: it says in its Redis which one it is, and waits.
WAITING: Final = """
    import os, pathlib, threading
    import pytest
    import redis

    @pytest.mark.parametrize("n", range(2))
    def test_it(n):
        me = os.environ["PYTEST_XDIST_WORKER"]
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
            client.set("me", me)
        pathlib.Path(f"seen-{me}").write_text("")
        threading.Event().wait(60)
"""


@pytest.mark.parametrize("path", [pytest.param("", marks=NEEDS_CLIENT), BARE])
def test_a_command_behind_the_dashes_is_answered(held: HeldRun, path: str) -> None:
    done = called(
        "redis-cli", "--", "ECHO", "two words", folder=held.project, PATH=path or os.environ["PATH"]
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "two words\n", "")


@pytest.mark.parametrize("path", [pytest.param("", marks=NEEDS_CLIENT), BARE])
def test_commands_of_standard_input_are_answered_in_their_order(held: HeldRun, path: str) -> None:
    done = called(
        "redis-cli",
        folder=held.project,
        text='SET a "x y"\nGET a\nGET none\nLPUSH l 1\nLRANGE l 0 -1\nGET l\nDEL l\nquit\nPING\n',
        PATH=path or os.environ["PATH"],
    )
    wrong = "WRONGTYPE Operation against a key holding the wrong kind of value"

    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        ["OK", "x y", "", "1", "1", wrong, "", "1"],
    )


@NEEDS_CLIENT
def test_the_exit_code_of_the_client_is_passed_on(held: HeldRun) -> None:
    done = called("redis-cli", "--", "-e", "NO-SUCH-COMMAND", folder=held.project)

    assert done.returncode == 1


@pytest.mark.slow
def test_an_option_for_a_client_that_is_not_there_names_what_to_install(held: HeldRun) -> None:
    done = called("redis-cli", "--", "--latency", folder=held.project, PATH=BARE)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("TK506: No valkey-cli or redis-cli was found")
    assert "no option such as --latency" in done.stderr


def test_a_worker_that_is_not_there_is_wrong_use(held: HeldRun) -> None:
    done = called("redis-cli", "--worker", "gw7", folder=held.project)

    assert done.returncode == 2
    assert "has no Redis of gw7; it has those of main." in done.stderr


def test_where_no_run_of_this_checkout_is_the_message_says_how_to_get_one(tmp_path: Path) -> None:
    done = called("redis-cli", folder=tmp_path)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("TK503: No Redis of this checkout is running.")
    assert "run:   testkit run -- testkit redis-cli\n" in done.stderr


@LINUX
def test_the_prompt_in_a_terminal_shows_texts_quoted_and_ends_by_ctrl_c(held: HeldRun) -> None:
    keyboard, terminal = os.openpty()
    with subprocess.Popen(
        [TESTKIT, "redis-cli"],
        cwd=held.project,
        env=environment(PATH=BARE, TERM="dumb"),
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
    ) as process:
        os.close(terminal)
        prompt = heard(keyboard, "> ")
        os.write(keyboard, b"ECHO 'two words'\n")
        answer = heard(keyboard, '"two words"\r\n.*> ')
        line = command_lines()[Path(f"/proc/{process.pid}")]
        words = interrupted(process)
    os.close(keyboard)

    assert "127.0.0.1:" in prompt
    assert "(error)" not in answer
    assert line.endswith("testkit redis-cli ")
    assert (process.returncode, words) == (-signal.SIGINT, b"")


def interrupted(process: subprocess.Popen[bytes]) -> bytes:
    """Interrupt it until it ends, as a person would; return what it said of that.

    A signal that arrives while the prompt is being shown is heeded at the next key only.
    """
    for _ in range(10):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=2)[1]
    process.kill()
    pytest.fail("it does not end")


def heard(keyboard: int, end: str) -> str:
    """Return what the terminal shows until it ends so."""
    text = ""
    while not re.search(f"{end}$", text, re.DOTALL):
        text += os.read(keyboard, 1024).decode()
    return text


@pytest.mark.slow
def test_each_worker_of_a_pytest_that_stands_still_can_be_looked_into(tmp_path: Path) -> None:
    suite = Suite(tmp_path, test_it=WAITING)
    suite.configure('env = { REDIS_URL = "{redis.url}", DATABASE_URL = "{database.url}" }\n')
    run = suite.start("-n", "2")
    try:
        wait_until(lambda: len(list(tmp_path.glob("seen-*"))) == 2, seconds=60)
        workers = {
            worker: called(
                "redis-cli", "--worker", worker, "--", "GET", "me", folder=tmp_path
            ).stdout
            for worker in ("gw0", "gw1")
        }
        databases = [
            called(
                "psql", *which, "--", "-Atc", "SELECT current_database()", folder=tmp_path
            ).stdout
            for which in ([], ["--worker", "gw1"])
        ]
        table = called("ps", folder=tmp_path).stdout
    finally:
        run.terminate()
        run.wait()

    assert workers == {"gw0": "gw0\n", "gw1": "gw1\n"}
    assert databases == ["testkit_main\n", "testkit_gw1\n"]
    assert re.search(rf"pytest +in use +{tmp_path}$", table, re.MULTILINE)
