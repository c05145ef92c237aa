"""The keeper: a server ends with its owner, and nothing of it stays."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.core.messages import TestkitError
from testkit.servers.programs.launch import KeptServer, PreparedKeeper, stop_all
from testkit.servers.programs.launch import wait_until as wait_for_server
from testkit.system.files import ordinary_user
from testkit.system.processes import ProcessIdentity, identify, is_alive
from tests.support.processes import LINUX, command_lines, processes_below
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

# A server of one line: it says who it is and waits to be ended.
SERVER: Final = ("/bin/sh", "-c", "echo $$ > pid.new; mv pid.new pid; exec sleep 600")
OWNER: Final = """
import json, os, signal, sys
from pathlib import Path
from testkit.servers.programs.launch import PreparedKeeper
from testkit.system.processes import identify
folder, command = Path(sys.argv[1]), json.loads(sys.argv[2])
kept = PreparedKeeper("testkit-test").launch(
    "Server", command, directory=folder, owners=[identify(os.getpid())], stop=signal.SIGTERM,
    remove=[folder], keep=sys.argv[3] == "keep")
print(kept.keeper.pid, flush=True)
sys.stdin.read()
"""


def launched(folder: Path, *owners: ProcessIdentity, **order: Any) -> KeptServer:
    command = order.pop("command", SERVER)
    with PreparedKeeper("testkit-test") as keeper:
        return keeper.launch(
            "Server",
            command,
            directory=folder,
            owners=owners,
            stop=order.pop("stop", signal.SIGKILL),
            remove=[folder],
            user=ordinary_user(),
            **order,
        )


def server_of(folder: Path) -> ProcessIdentity:
    """Wait until the server of ``SERVER`` has said who it is."""
    wait_until((folder / "pid").exists)
    identity = identify(int((folder / "pid").read_text()))
    assert identity is not None
    return identity


@contextmanager
def owner_of(folder: Path, *, keep: bool = False) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a process that owns a server in ``folder``; give it and the keeper's pid."""
    word = "keep" if keep else "remove"
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, folder, json.dumps(SERVER), word],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        try:
            yield owner, int(owner.stdout.readline())
        finally:
            owner.kill()


def test_a_server_that_is_told_to_stop_is_gone_with_its_directories(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, myself)
    server = server_of(server_folder)
    running = (is_alive(server), kept.has_ended())
    stop_all([kept])
    stop_all([kept])

    assert running == (True, None)
    assert not is_alive(server)
    assert not is_alive(kept.keeper)
    assert not server_folder.parent.exists()


@pytest.mark.parametrize("keep", [False, True])
def test_a_server_ends_with_an_owner_that_is_killed(server_folder: Path, *, keep: bool) -> None:
    with owner_of(server_folder, keep=keep) as (owner, keeper_pid):
        server, keeper = server_of(server_folder), identify(keeper_pid)
        assert keeper is not None
        owner.kill()
        wait_until(lambda: not is_alive(keeper))

    assert not is_alive(server)
    assert not server_folder.parent.exists()


def test_the_end_of_either_owner_ends_the_server(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    with subprocess.Popen(["/bin/sleep", "600"]) as second:
        other = identify(second.pid)
        assert other is not None
        kept = launched(server_folder, myself, other)
        server = server_of(server_folder)
        second.kill()
    wait_until(lambda: not is_alive(kept.keeper))

    assert not is_alive(server)
    assert not server_folder.exists()
    stop_all([kept])


def test_of_servers_that_end_together_the_last_takes_the_parent_along(server_folder: Path) -> None:
    folders = [server_folder, *(server_folder.parent / name for name in ("b", "c", "d", "e"))]
    for folder in folders[1:]:
        folder.mkdir()
        shutil.chown(folder, *[server_folder.stat().st_uid] * 2)
    with subprocess.Popen(["/bin/sleep", "600"]) as owner:
        other = identify(owner.pid)
        assert other is not None
        kept = [launched(folder, other) for folder in folders]
        owner.kill()
    for each in kept:
        wait_until(lambda each=each: not is_alive(each.keeper))  # type: ignore[misc]  # a bound one
    stop_all(kept)

    assert not server_folder.parent.exists()


def test_a_pid_that_another_process_has_by_now_is_no_owner(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, dataclasses.replace(myself, started="1"))
    wait_until(lambda: not is_alive(kept.keeper))

    assert not server_folder.exists()
    stop_all([kept])


@LINUX
def test_the_kernel_ends_the_server_of_a_keeper_that_is_killed(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, myself)
    server = server_of(server_folder)
    os.kill(kept.keeper.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(server))

    assert kept.has_ended() == "its keeper is gone"
    stop_all([kept])


@LINUX
def test_where_no_kernel_does_it_a_second_process_ends_the_server_of_a_killed_keeper(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, myself, watched=True)
    server = server_of(server_folder)
    os.kill(kept.keeper.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(server))
    wait_until(lambda: not server_folder.exists())
    wait_until(lambda: not processes_below(server_folder))
    stop_all([kept])

    assert not server_folder.parent.exists()


@pytest.mark.slow
@LINUX
def test_the_second_process_ends_with_a_keeper_that_ends_as_it_should(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, myself, watched=True)
    server = server_of(server_folder)

    def session() -> set[Path]:
        return {path for path, leader in sessions().items() if leader == kept.keeper.pid}

    # The keeper, the second process, the server; for a moment also who starts one of them.
    wait_until(lambda: len(session()) == 3)
    stop_all([kept])
    wait_until(lambda: not session())

    assert not is_alive(server)
    assert not server_folder.exists()


def sessions() -> dict[Path, int]:
    """Return the session of each process, by its folder in /proc."""
    found = {}
    for path in command_lines():
        with suppress(ProcessLookupError):
            found[path] = os.getsid(int(path.name))
    return found


def test_a_server_that_is_kept_leaves_its_directory_when_told_to_stop(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, myself, keep=True)
    server = server_of(server_folder)
    stop_all([kept])

    assert not is_alive(server)
    assert (server_folder / "pid").exists()


def test_the_parent_directory_stays_while_another_server_lives_in_it(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    neighbour = server_folder.parent / "neighbour"
    neighbour.mkdir()
    stop_all([launched(server_folder, myself)])

    assert [path.name for path in server_folder.parent.iterdir()] == ["neighbour"]


def test_a_command_that_cannot_be_run_is_named_with_the_end_of_the_log(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, myself, command=["/nowhere/postgres", "-D", "x"])
    with pytest.raises(TestkitError) as caught:
        wait_for_server(kept, lambda: False)

    assert caught.value.code == "TK101"
    assert "Server did not become ready: exit code 127." in str(caught.value)
    assert "cannot run /nowhere/postgres: [Errno 2] No such file or directory" in str(caught.value)
    assert not server_folder.exists()
    assert not is_alive(kept.keeper)


def test_a_server_that_ends_by_itself_says_how_and_keeps_its_log_until_asked(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    words = "echo no room; echo left >&2; exit 3"
    kept = launched(server_folder, myself, command=["/bin/sh", "-c", words])
    wait_until(lambda: kept.has_ended() is not None)
    found = (kept.has_ended(), kept.log.read_text())
    stop_all([kept])

    assert found == ("exit code 3", "no room\nleft\n")
    assert not server_folder.exists()


def test_a_server_that_was_killed_is_told_by_the_signal(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, myself)
    os.kill(server_of(server_folder).pid, signal.SIGKILL)
    wait_until(lambda: kept.has_ended() is not None)
    found = kept.has_ended()
    stop_all([kept])

    assert found == "exit code -9"


@pytest.mark.slow
def test_a_server_that_does_not_hear_is_killed_after_five_seconds(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    deaf = "trap '' TERM; echo $$ > pid; while :; do sleep 1; done"
    kept = launched(server_folder, myself, command=["/bin/sh", "-c", deaf])
    server = server_of(server_folder)
    stop_all([kept])

    assert not is_alive(server)
    assert not server_folder.exists()


@LINUX
def test_a_server_inherits_no_variable_no_file_and_no_terminal_of_ours(
    server_folder: Path, myself: ProcessIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_APPLICATION", "x")
    with ExitStack() as stack:
        inherited = stack.enter_context((server_folder.parent / "open").open("w"))
        os.set_inheritable(inherited.fileno(), True)
        kept = launched(server_folder, myself)
        process = Path(f"/proc/{server_of(server_folder).pid}")
        # A program that is just being loaded has no environment yet, then its libraries open.
        wait_until((process / "environ").read_text)
        environment = (process / "environ").read_text().rstrip("\0").split("\0")
        wait_until(lambda: {path.name for path in (process / "fd").iterdir()} == {"0", "1", "2"})
        session = os.getsid(int(process.name))
        stop_all([kept])

    assert {line.partition("=")[0] for line in environment} <= {"LC_ALL", "TZ", "PATH", "PWD"}
    assert session == kept.keeper.pid != os.getsid(0)


@LINUX
@pytest.mark.skipif(shutil.which("ipcmk") is None, reason="makes shared memory with ipcmk")
def test_shared_memory_that_a_server_left_is_removed(
    server_folder: Path, myself: ProcessIdentity
) -> None:
    kept = launched(server_folder, myself, command=["/bin/sh", "-c", "exec ipcmk -M 64"])
    wait_until(lambda: kept.has_ended() is not None)
    number = kept.log.read_text().split()[-1]
    there = [line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]
    stop_all([kept])

    assert number.isdecimal()
    assert number not in there


@pytest.mark.skipif(os.geteuid() != 0, reason="servers run as the user unless that is root")
def test_root_s_servers_run_as_nobody(server_folder: Path, myself: ProcessIdentity) -> None:
    kept = launched(server_folder, myself)
    status = Path(f"/proc/{server_of(server_folder).pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    stop_all([kept])

    assert (fields["Uid"], fields["Gid"]) == ("\t".join(["65534"] * 4),) * 2
    assert fields["Groups"].strip() == ""


def test_a_keeper_that_gets_no_order_ends_by_itself() -> None:
    with PreparedKeeper("testkit-test") as keeper:
        pid = keeper._process.pid

    assert keeper._process.returncode == 0
    assert identify(pid) is None


def test_a_keeper_whose_starter_dies_before_the_order_ends_by_itself() -> None:
    script = (
        "from testkit.servers.programs.launch import PreparedKeeper\n"
        "import os\n"
        "print(PreparedKeeper('testkit-test')._process.pid, flush=True)\n"
        "os._exit(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, check=False
    )
    wait_until(lambda: identify(int(done.stdout)) is None)

    assert done.returncode == 1


def test_links_in_a_directory_that_goes_are_not_followed(
    server_folder: Path, place: Path, myself: ProcessIdentity
) -> None:
    outside = place / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (server_folder / "link").symlink_to(outside)
    stop_all([launched(server_folder, myself)])

    assert not server_folder.exists()
    assert (outside / "precious").exists()


def test_data_elsewhere_gets_a_name_that_may_go_before_it_is_removed(
    place: Path, server_folder: Path, myself: ProcessIdentity
) -> None:
    """Whoever still writes there by its own name must not leave parts of it behind."""
    data = place / "data"
    data.mkdir()
    with PreparedKeeper("testkit-test") as keeper:
        kept = keeper.launch(
            "Server",
            ["/bin/sh", "-c", "exit 0"],
            directory=server_folder,
            owners=[myself],
            stop=signal.SIGKILL,
            remove=[server_folder, data],
        )
    wait_until(lambda: kept.has_ended() is not None)
    with subprocess.Popen(
        ["/bin/sh", "-c", "while :; do : >data/more 2>/dev/null || exit 0; done"], cwd=place
    ) as writer:
        stop_all([kept])
        writer.wait()

    # The run's own directory is for the run to remove: other servers may be starting in it.
    assert [path.name for path in place.iterdir()] == ["run"]
    assert list((place / "run").iterdir()) == []
