"""``python -m cos`` as a process of its own, over real sockets."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select
from sqlalchemy.orm import Session

from cos.cli import main
from cos.models import Module
from tests.cos.factories import ModuleFactory

ROOT = Path(__file__).parents[2]
TOKEN = "s3cret-token"


@dataclass(slots=True)
class Served:
    """A running control center; ``log`` is there once it was stopped."""

    process: subprocess.Popen[str]
    url: str
    log: str = ""

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and document."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path,
            data,
            {"Content-Type": "application/json", **headers},
            method=method,
        )
        try:
            answer = urllib.request.urlopen(request, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            found = {name.lower(): value for name, value in answer.headers.items()}
            return answer.status, found, json.loads(text) if text else None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        self.process.send_signal(number)
        self.log += self.process.communicate(timeout=20)[1]
        return self.process.returncode


def _command(*arguments: str, **environment: str | None) -> Result:
    """Run a command that ends by itself, in this process; None takes a variable away."""
    return CliRunner().invoke(main, arguments, env=environment, prog_name="python -m cos")


def _environment(changes: dict[str, str | None]) -> dict[str, str]:
    changed = {**os.environ, **changes}
    return {name: value for name, value in changed.items() if value is not None}


@contextmanager
def _serving(*arguments: str, **environment: str | None) -> Iterator[Served]:
    process = subprocess.Popen(
        [sys.executable, "-m", "cos", "serve", "--port", "0", *arguments],
        cwd=ROOT,
        env=_environment(environment),
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stderr is not None
            # The sockets listen before this line is printed: no need to try again and again.
            first = process.stderr.readline()
            found = re.fullmatch(r"Serving (http://\S+)/cc\n", first)
            assert found is not None, first + process.stderr.read()
            yield Served(process, found[1])
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def stopped() -> tuple[Served, dict[str, int]]:
    """A control center that saw the whole life of a module and was then asked to end."""
    body = ModuleFactory.payload()
    with _serving() as served:
        made, headers, _ = served.ask("POST", "/cc/modules", body, **{"X-Request-ID": "mine-1"})
        path = headers["location"]
        statuses = {
            "registered": made,
            "registered again": served.ask("POST", "/cc/modules", body)[0],
            "read": served.ask("GET", path)[0],
            "unknown": served.ask("GET", f"/cc/modules/{UUID(int=1)}")[0],
            "bad id": served.ask("GET", "/cc/modules/ada")[0],
            "bad body": served.ask("POST", "/cc/modules", {"name": ""})[0],
            "removed": served.ask("DELETE", path)[0],
            "read again": served.ask("GET", path)[0],
        }
        served.stop(signal.SIGTERM)
    return served, statuses


@pytest.fixture(scope="module")
def guarded() -> tuple[Served, list[int]]:
    """One that listened to everybody, with a token, logged all it can, and was interrupted."""
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    with _serving("--host", "0.0.0.0", COS_LOG_LEVEL="debug", COS_API_TOKEN=TOKEN) as served:
        served.url = served.url.replace("0.0.0.0", "127.0.0.1")
        statuses = [
            served.ask("GET", "/cc/modules")[0],
            served.ask("GET", "/cc/modules", **bearer)[0],
            served.ask("GET", "/cc/health/ready")[0],
        ]
        served.stop(signal.SIGINT)
    return served, statuses


def test_the_whole_life_of_a_module_over_a_real_socket(
    stopped: tuple[Served, dict[str, int]],
) -> None:
    assert stopped[1] == {
        "registered": 201,
        "registered again": 409,
        "read": 200,
        "unknown": 404,
        "bad id": 422,
        "bad body": 422,
        "removed": 204,
        "read again": 404,
    }


@pytest.mark.slow
def test_the_signal_to_end_stops_it_in_order(stopped: tuple[Served, dict[str, int]]) -> None:
    assert stopped[0].process.returncode == 0
    assert "Finished server process" in stopped[0].log
    assert "Traceback" not in stopped[0].log


@pytest.mark.slow
def test_an_interrupt_stops_it_in_order(guarded: tuple[Served, list[int]]) -> None:
    assert guarded[0].process.returncode == 0
    assert "Finished server process" in guarded[0].log
    assert "Traceback" not in guarded[0].log


@pytest.mark.slow
def test_the_log_names_the_request_and_its_answer(
    stopped: tuple[Served, dict[str, int]],
) -> None:
    (line,) = [line for line in stopped[0].log.splitlines() if "[mine-1]" in line]

    assert line.endswith('"POST /cc/modules HTTP/1.1" 201')


@pytest.mark.slow
def test_no_secret_is_logged_at_any_level(guarded: tuple[Served, list[int]]) -> None:
    password = os.environ["DATABASE_URL"].split(":")[2].split("@")[0]
    log = guarded[0].log

    assert "/cc/modules" in log
    assert TOKEN not in log
    assert password not in log


@pytest.mark.slow
def test_with_a_token_it_listens_on_every_address(guarded: tuple[Served, list[int]]) -> None:
    assert guarded[1] == [401, 200, 200]


@pytest.mark.slow
def test_an_unexpected_error_is_logged_with_its_request_and_answered_as_a_problem(
    db_session: Session,
) -> None:
    db_session.connection().exec_driver_sql("ALTER TABLE modules RENAME TO elsewhere")
    db_session.commit()
    with _serving() as served:
        status, headers, document = served.ask("GET", "/cc/modules", **{"X-Request-ID": "mine-2"})
        served.stop()
    (line,) = [line for line in served.log.splitlines() if "Exception in ASGI" in line]

    assert (status, document["status"], headers["x-request-id"]) == (500, 500, "mine-2")
    assert "ERROR uvicorn.error [mine-2]" in line
    assert "UndefinedTable" in served.log


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "0", "192.0.2.1", "::ffff:0.0.0.0"])
def test_without_a_token_an_address_that_others_reach_is_refused(host: str) -> None:
    done = _command("serve", "--host", host, "--port", "0", COS_API_TOKEN=None)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "COS_API_TOKEN is not set" in done.stderr
    assert "Run now: export COS_API_TOKEN=" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("host", ["3221225985", "0xc0000201", "192.0.513"])
def test_what_a_host_means_is_checked_and_not_how_it_is_written(host: str) -> None:
    done = _command("serve", "--host", host, "--port", "0", COS_API_TOKEN=None)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"--host {host} (192.0.2.1) can be reached from other machines")


@pytest.mark.parametrize("host", ["nowhere.invalid", "300.1.1.1", "x" * 300])
def test_a_host_that_means_nothing_is_refused(host: str) -> None:
    done = _command("serve", "--host", host)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"--host {host} means no address of this machine")


def test_a_port_that_is_taken_is_a_failure_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _command("serve", "--port", str(port))

    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith(f"127.0.0.1 port {port} cannot be listened on")


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_a_port_that_is_none_is_wrong_use(port: str) -> None:
    assert _command("serve", "--port", port).exit_code == 2


@pytest.mark.parametrize("command", ["serve", "migrate"])
@pytest.mark.parametrize("value", [None, "", "mysql://u:hunter2@h/d"])
def test_without_a_usable_database_there_is_one_message(command: str, value: str | None) -> None:
    done = _command(command, DATABASE_URL=value)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("DATABASE_URL ")
    assert done.stderr.count("\n") == 3
    assert "hunter2" not in done.stderr


def test_serve_needs_a_redis_and_migrate_does_not() -> None:
    codes = [_command(command, REDIS_URL=None).exit_code for command in ("serve", "migrate")]

    assert codes == [2, 0]


@pytest.mark.slow
def test_on_localhost_it_starts_while_its_dependencies_are_down(closed_port: int) -> None:
    with _serving(
        "--host",
        "localhost",
        DATABASE_URL=f"postgresql://127.0.0.1:{closed_port}/x",
        REDIS_URL=f"redis://127.0.0.1:{closed_port}",
    ) as served:
        live = served.ask("GET", "/cc/health/live")[0]
        ready, _, document = served.ask("GET", "/cc/health/ready")

    assert (live, ready) == (200, 503)
    assert {found["state"] for found in document["dependencies"].values()} == {"down"}


def test_migrate_makes_the_schema_and_says_where(db_session: Session) -> None:
    db_session.connection().exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    db_session.commit()
    done = _command("migrate")
    name = os.environ["DATABASE_URL"].rsplit("/", 1)[1]

    assert done.exit_code == 0
    assert re.fullmatch(rf"The schema of \S+/{name} is at revision \w+\.\n", done.stdout)
    assert db_session.scalars(select(Module)).all() == []


def test_migrate_says_which_database_did_not_answer(closed_port: int) -> None:
    done = _command("migrate", DATABASE_URL=f"postgresql://u:hunter2@127.0.0.1:{closed_port}/x")

    assert (done.exit_code, done.stdout) == (3, "")
    assert f"The database 127.0.0.1:{closed_port}/x was not migrated: " in done.stderr
    assert "Run now: python -m cos migrate" in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_refuses_a_schema_that_it_does_not_know(db_session: Session) -> None:
    db_session.connection().exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    db_session.commit()
    done = _command("migrate")

    assert (done.exit_code, done.stdout) == (3, "")
    assert "Can't locate revision identified by '9999'" in done.stderr
    assert "Traceback" not in done.stderr


def test_migrate_does_not_wait_for_ever_for_a_lock(db_session: Session) -> None:
    db_session.connection().exec_driver_sql(
        "SELECT pg_advisory_xact_lock(hashtext('cos.migrations'))"
    )
    done = _command("migrate", COS_LOCK_TIMEOUT="0.05")
    db_session.rollback()

    assert done.exit_code == 3
    assert "lock timeout" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["serve", "--help"], ["migrate", "-h"]])
def test_help_needs_no_configuration(arguments: list[str]) -> None:
    done = _command(*arguments, DATABASE_URL=None, REDIS_URL=None)

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: python -m cos")
