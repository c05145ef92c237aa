"""``testkit psql``: a shell on the run of this checkout, as if psql had been called itself."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.commands import TESTKIT, called, environment
from tests.support.processes import LINUX, command_lines
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from tests.testkit.cli.conftest import HeldRun


def test_a_query_behind_the_dashes_is_answered_from_the_database_of_main(held: HeldRun) -> None:
    done = called("psql", "--", "-Atc", "SELECT current_database(), 40 + 2", folder=held.project)

    assert (done.returncode, done.stdout, done.stderr) == (0, "testkit_main|42\n", "")


@pytest.mark.slow
def test_statements_of_standard_input_are_run_from_any_folder_of_the_project(
    held: HeldRun,
) -> None:
    folder = held.project / "deep" / "down"
    folder.mkdir(parents=True, exist_ok=True)
    done = called("psql", "--", "-At", folder=folder, text="SELECT 'a';\nSELECT 'b';\n")

    assert (done.returncode, done.stdout) == (0, "a\nb\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["-c", "SELECT nothing"], 1), (["-d", "no_such_database", "-c", "SELECT 1"], 2)],
)
def test_the_exit_code_of_psql_is_passed_on(held: HeldRun, arguments: list[str], code: int) -> None:
    done = called("psql", "--", *arguments, folder=held.project)

    assert (done.returncode, done.stdout) == (code, "")
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_variables_that_lead_elsewhere_are_seen_and_not_used(held: HeldRun) -> None:
    done = called(
        "psql", "--", "-Atc", "SELECT 1",
        folder=held.project, PGHOST="example.invalid", PGSERVICE="theirs",
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (0, "1\n")
    assert done.stderr == ("testkit: seen, not used: PGHOST\ntestkit: seen, not used: PGSERVICE\n")


@pytest.mark.slow
def test_a_worker_that_is_not_there_is_wrong_use(held: HeldRun) -> None:
    done = called("psql", "--worker", "gw7", folder=held.project)

    assert (done.returncode, done.stdout) == (2, "")
    assert "has no database of gw7; it has those of main." in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["SELECT 1"], "TK352: Nothing is kept of 'SELECT 1'."),
        (["-c", "SELECT 1"], "Error:"),
        (["--run"], "Error:"),
        (["--kept", "test_it"], "Error:"),
        (["--run", "0a", "test_it"], "Error:"),
    ],
)
def test_what_is_for_psql_stands_behind_the_dashes(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = called("psql", *arguments, folder=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr


@pytest.mark.slow
def test_where_no_run_of_this_checkout_is_the_others_are_named(
    held: HeldRun, tmp_path: Path
) -> None:
    done = called("psql", folder=tmp_path)

    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("TK503: No Postgres of this checkout is running.")
    assert f"called in {held.project}\n" in done.stderr
    assert "run:   testkit run -- testkit psql\n" in done.stderr


@pytest.mark.slow
def test_a_run_of_another_checkout_is_taken_when_it_is_named(held: HeldRun, tmp_path: Path) -> None:
    told = called("psql", folder=tmp_path).stderr
    [token] = [
        line.split()[1].removesuffix(":")
        for line in told.splitlines()
        if line.endswith(str(held.project))
    ]
    done = called("psql", "--run", token, "--", "-Atc", "SELECT 1", folder=tmp_path)

    assert (done.returncode, done.stdout) == (0, "1\n")


@pytest.mark.slow
@LINUX
def test_no_password_shows_in_the_list_of_processes_and_ctrl_c_reaches_psql(
    held: HeldRun,
) -> None:
    with subprocess.Popen(
        [TESTKIT, "psql", "--", "-Atc", "SELECT pg_sleep(60)"],
        cwd=held.project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(lambda: psql_of(children))
        [pid] = psql_of(children)
        line = command_lines()[Path(f"/proc/{pid}")]
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        [password] = [v.partition(b"=")[2] for v in variables if v.startswith(b"PGPASSWORD=")]
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=20)

    assert line.endswith("psql -Atc SELECT pg_sleep(60) ")
    assert password.decode() not in "".join(command_lines().values())
    assert process.returncode in (1, -signal.SIGINT), words
    assert "Traceback" not in words


def psql_of(children: Path) -> list[int]:
    """Return the pids of our child once it has become psql."""
    lines = command_lines()
    pids = [int(pid) for pid in children.read_text().split()]
    return [pid for pid in pids if "psql -Atc" in lines.get(Path(f"/proc/{pid}"), "")]
