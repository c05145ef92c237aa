"""``testkit ps``: what is running, whose it is, and nothing secret."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from testkit.cli import ps
from testkit.servers.ownership.verdicts import DEAD, IN_USE, UNJUDGED, Inventory, Leftover, State
from tests.support.commands import called
from tests.support.facts import SERVER

if TYPE_CHECKING:
    from tests.testkit.cli.conftest import HeldRun

# The contract: docs/commands.md.
FIELDS = ["kind", "backend", "pid", "container", "url", "owner_pid", "owner_alive", "started"]


def listed(folder: Path, **variables: str) -> dict[str, Any]:
    done = called("ps", "--format", "json", folder=folder, **variables)

    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_running_run_is_listed_with_the_fields_of_the_contract(held: HeldRun) -> None:
    found = listed(held.project)
    servers = {s["kind"]: s for s in found["servers"] if s["owner_pid"] == held.pid}

    assert found["version"] == 1
    assert set(servers) == {"postgres", "redis"}
    for server in servers.values():
        assert list(server)[:9] == [*FIELDS, "directory"]
        assert (server["owner_alive"], server["container"]) == (True, None)
        assert server["backend"] in ("embedded", "local")
        assert server["started"].endswith("+00:00")
        assert server["reason"]
        assert (server["project"], server["started_by"]) == (str(held.project), "testkit run")
        os.kill(server["pid"], 0)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_no_form_shows_a_password(held: HeldRun, form: str) -> None:
    servers = [s for s in listed(held.project)["servers"] if s["owner_pid"] == held.pid]
    files = [
        file
        for server in servers
        for file in Path(server["directory"]).parent.glob("*.json")
        if file.name.startswith(("postgres", "redis"))
    ]
    secrets = {json.loads(file.read_text())["password"] for file in files}
    done = called("ps", "--format", form, folder=held.project)

    assert len(secrets) == 2
    assert not any(secret in done.stdout + done.stderr for secret in secrets)
    assert all(str(server["pid"]) in done.stdout for server in servers)


def test_people_see_a_table_with_the_reason_of_the_choice(held: HeldRun) -> None:
    lines = called("ps", folder=held.project).stdout.splitlines()
    [server] = [line for line in lines if f" {held.pid} " in line and line.startswith("postgres")]
    [run] = [line for line in lines if line.endswith(str(held.project))]

    assert lines[0].split() == [
        "server", "backend", "keeper", "owner", "started", "url", "run", "chosen",
    ]  # fmt: skip
    assert "data in RAM" in server or "data on disk" in server
    assert "testkit run  in use" in run


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_nothing_is_said_in_words(form: str) -> None:
    assert ps._FORMS[form](Inventory()).startswith("testkit has nothing on this machine: ")


@pytest.mark.parametrize(("state", "alive"), [(IN_USE, True), (DEAD, False), (UNJUDGED, None)])
def test_of_an_owner_that_cannot_be_judged_nothing_is_claimed(
    state: State, *, alive: bool | None
) -> None:
    left = Leftover("data", "/dev/shm/x", None, 7200, state)
    [found] = json.loads(ps._FORMS["json"](Inventory((), (left,))))["leftovers"]
    text = ps._FORMS["text"](Inventory((), (left,)))

    assert (found["owner_alive"], found["owner_pid"], found["state"]) == (alive, None, state)
    assert text.splitlines()[1].split(state)[1].split() == ["unknown", "2", "hours", "/dev/shm/x"]


def test_a_server_that_a_dead_owner_left_is_listed_as_that() -> None:
    left = replace(SERVER, state=DEAD, project="")
    [server] = json.loads(ps._FORMS["json"](Inventory((left,))))["servers"]

    assert (server["owner_alive"], server["project"]) == (False, None)
    assert ps._FORMS["text"](Inventory((left,))).splitlines()[-1] == (
        "abc  pytest      left by a dead owner  unknown"
    )


def test_an_unknown_form_is_wrong_use(tmp_path: Path) -> None:
    assert called("ps", "--format", "xml", folder=tmp_path).returncode == 2
