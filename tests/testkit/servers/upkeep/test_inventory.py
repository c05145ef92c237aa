"""What is found on the machine: servers with their owners, and what lies around."""

from __future__ import annotations

import json
import os
import shutil
import signal
import threading
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.core.options import Settings
from testkit.servers.ownership.verdicts import DEAD, IN_USE, UNJUDGED, Leftover, plan
from testkit.servers.ownership.workshop import maker
from testkit.servers.upkeep.inventory import Places, take_inventory
from testkit.system.files import ram_root
from testkit.system.processes import is_alive
from tests.support.processes import LINUX, ended_process
from tests.support.runs import kept_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.servers.run import Run
    from testkit.system.processes import ProcessIdentity


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Places of this test's own."""
    found = Places((tmp_path / "scratch",), tmp_path / "ram", (tmp_path / "cache",))
    for folder in (*found.scratch, tmp_path / "ram", tmp_path / "cache" / "clusters"):
        folder.mkdir(parents=True)
    return found


def run_name(token: str) -> str:
    return f"testkit-{os.geteuid()}-{token}"


def left_by(owner: ProcessIdentity, folder: Path) -> Path:
    folder.mkdir()
    (folder / "owner.json").write_text(json.dumps(asdict(owner)))
    return folder


def states(found: tuple[Leftover, ...]) -> set[tuple[str, str, str]]:
    return {(left.kind, Path(left.path).name, left.state) for left in found}


def test_a_running_server_is_found_with_all_that_is_known_and_without_its_password(
    new_run: Callable[..., Run], tmp_path: Path, myself: ProcessIdentity
) -> None:
    run = new_run(tmp_path, Settings())
    postgres, redis = run.ensure_postgres(), run.ensure_redis()
    inventory = take_inventory(Places.of(Settings()))
    found = {server.kind: server for server in inventory.servers if server.run == run.token}

    assert {kind: s.url for kind, s in found.items()} == {
        "postgres": f"postgresql://postgres@127.0.0.1:{postgres.port}/postgres",
        "redis": f"redis://127.0.0.1:{redis.port}/0",
    }
    assert [(s.pid, s.directory, s.backend, s.version, s.reason) for s in found.values()] == [
        (kept_of(s).keeper.pid, str(kept_of(s).directory), s.backend, s.version, s.reason)
        for s in (postgres, redis)
    ]
    assert {(s.owner_pid, s.state, s.project, s.started_by) for s in found.values()} == {
        (myself.pid, IN_USE, str(tmp_path), "pytest")
    }
    assert found["redis"].worker == "main"
    assert not any(secret in str(inventory) for secret in (postgres.password, redis.password))


def test_what_a_run_writes_about_itself_is_for_its_owner_alone(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings(), worker="gw3")
    run.ensure_redis()
    files = [run.directory.path / name for name in ("run.json", "redis-gw3.json", "owner.json")]

    assert [file.stat().st_mode & 0o777 for file in files] == [0o600] * 3
    # Another version of testkit judges by this file: it has just this shape.
    assert json.loads(files[2].read_text()) == asdict(run.owner)


@LINUX
def test_a_server_whose_keeper_was_killed_is_none(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings())
    keeper = kept_of(run.ensure_redis()).keeper
    os.kill(keeper.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(keeper))
    inventory = take_inventory(Places.of(Settings()))

    assert [server for server in inventory.servers if server.run == run.token] == []
    assert ("run directory", run_name(run.token), IN_USE) in states(inventory.without_server())


def test_a_run_with_another_directory_for_temporary_files_is_found_by_its_data(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    ram, _ = ram_root(wanted=256 << 20)
    if ram is None:
        pytest.skip("there is no RAM disk here: data lies in the run's directory")
    run = new_run(tmp_path, Settings())
    run.ensure_postgres()
    elsewhere = Places((tmp_path,), ram, ())
    found = [s.kind for s in take_inventory(elsewhere).servers if s.run == run.token]

    assert found == ["postgres"]


def test_a_server_that_another_run_started_is_not_that_of_a_dead_one_which_used_it(
    new_run: Callable[..., Run], tmp_path: Path, places: Places
) -> None:
    run = new_run(tmp_path, Settings())
    run.ensure_redis()
    left = left_by(ended_process(), places.scratch[0] / run_name("dead"))
    shutil.copy(run.directory.path / "redis-main.json", left)
    inventory = take_inventory(places)

    assert inventory.servers == ()
    assert [step.path for step in plan(inventory)] == [str(left)]


def test_directories_are_told_apart_by_their_owners(
    places: Places, myself: ProcessIdentity
) -> None:
    gone = ended_process()
    scratch = places.scratch[0]
    assert places.ram is not None
    left_by(gone, scratch / run_name("dead"))
    left_by(gone, places.ram / run_name("dead"))
    left_by(myself, scratch / run_name("living"))
    left_by(replace(gone, namespace="pid:[1]"), scratch / run_name("container"))
    (scratch / run_name("bare")).mkdir()
    (scratch / run_name("link")).symlink_to(scratch / run_name("dead"))
    (scratch / run_name("file")).write_text("")
    (scratch / f"testkit-{os.geteuid() + 1}-theirs").mkdir()

    assert states(take_inventory(places).leftovers) == {
        ("run directory", run_name("dead"), DEAD),
        ("data", run_name("dead"), DEAD),
        ("run directory", run_name("living"), IN_USE),
        ("run directory", run_name("container"), UNJUDGED),
        ("run directory", run_name("bare"), UNJUDGED),
    }


def test_workshops_and_drafts_are_judged_by_the_maker_in_their_name(places: Places) -> None:
    mine = maker()
    pid, started, place = mine.split("-")
    shop = f"testkit-build-{os.geteuid()}-"
    assert places.ram is not None
    (places.ram / f"{shop}{mine}-x").mkdir()
    (places.scratch[0] / f"{shop}{pid}-1{started}-{place}-x").mkdir()
    clusters = places.caches[0] / "clusters"
    (clusters / f".draft-{pid}-1{started}-{place}-x").mkdir()
    (clusters / f".draft-{pid}-{started}-0badcafe-x").mkdir()
    (clusters / ".draft-of another form").mkdir()
    found = take_inventory(places).leftovers

    assert [(left.kind, left.state, left.owner_pid) for left in found] == [
        ("build workshop", DEAD, int(pid)),
        ("build workshop", IN_USE, int(pid)),
        *(
            ("cache draft", state, known)
            for _, state, known in sorted(
                [
                    (f"{pid}-1{started}", DEAD, int(pid)),
                    (f"{pid}-{started}", UNJUDGED, int(pid)),
                    ("of another form", UNJUDGED, None),
                ],
                key=lambda row: row[0],
            )
        ),
    ]


def test_what_the_cache_keeps_is_found_with_the_time_since_it_was_used(places: Places) -> None:
    template = places.caches[0] / "clusters" / "0123456789abcdef"
    template.mkdir()
    (template / "cluster.json").write_text("{}")
    os.utime(template / "cluster.json", (0, 0))
    [entry] = take_inventory(places).cached

    assert (entry.kind, entry.path) == ("template", str(template))
    assert entry.unused_seconds > 50 * 365 * 24 * 3600


@pytest.mark.parametrize(
    ("kind", "facts", "url"),
    [
        ("postgres", {"user": "o@k", "maintenance": "a b"}, "postgresql://o%40k@[::1]:7/a%20b"),
        ("redis", {"tls": True, "database": 3}, "rediss://[::1]:7/3"),
    ],
)
def test_the_url_of_a_server_of_others_is_one_that_clients_take(
    places: Places, myself: ProcessIdentity, kind: str, facts: dict[str, object], url: str
) -> None:
    run = left_by(myself, places.scratch[0] / run_name("living"))
    file = "postgres.json" if kind == "postgres" else "redis-main.json"
    (run / file).write_text(json.dumps({"host": "::1", "port": 7, "kept": None} | facts))

    assert [server.url for server in take_inventory(places).servers] == [url]


@pytest.fixture
def failing_docker(request: pytest.FixtureRequest) -> Iterator[str]:
    """A Docker that answers only these paths, and cuts or refuses every other one."""
    answers: tuple[str, ...]
    answers, cuts = request.param

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.rpartition("/")[2] in answers
            if not known and cuts:
                return
            body = b'{"ApiVersion": "1.44", "message": "out of order"}'
            self.send_response(200 if known else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"tcp://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    "failing_docker",
    [(("_ping",), False), (("_ping", "version"), False), (("_ping", "version"), True)],
    ids=["says no version", "lists nothing", "breaks off"],
    indirect=True,
)
def test_of_a_docker_that_fails_nothing_is_listed(places: Places, failing_docker: str) -> None:
    assert take_inventory(replace(places, docker=failing_docker)).leftovers == ()


def test_a_look_changes_nothing_and_needs_no_place_to_be_there(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    inventory = take_inventory(Places((absent,), absent, (absent,)))

    assert (inventory.servers, inventory.leftovers, inventory.cached) == ((), (), ())
    assert not absent.exists()
