"""The servers of one run: shared, closed together, and whole where the machine is odd."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.servers.ownership.workshop import ROOM
from testkit.system.files import ram_root, scratch_root
from testkit.system.processes import is_alive
from tests.support.runs import kept_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from testkit.servers.run import Run

MAKE_A_RUN = """
import os, secrets, sys, tempfile
from pathlib import Path
from testkit.core.messages import TestkitError
from testkit.core.options import Settings
from testkit.isolation.template import JournalTemplate
from testkit.servers.run import Run
from testkit.system.processes import identify
from tests.support.runs import kept_of
me = identify(os.getpid())
run = Run(token=secrets.token_hex(4), owner=me, me=me, worker="main", workers=1,
          settings=Settings(), root=Path.cwd(), cache=Path(sys.argv[1]), finish=JournalTemplate(),
          progress=lambda words: None)
try:
    server = run.ensure_postgres()
    with server.connect() as connection:
        print(connection.execute("SHOW data_directory").fetchone()[0])
    print(server.reason)
    print(server.socket)
    run.worker = "gw0"
    run.ensure_database()
    run.ensure_redis()
except TestkitError as error:
    print(error)
finally:
    run.close()
    places = {Path(tempfile.gettempdir()), Path("/tmp"), Path("/dev/shm")}
    print("left", [str(path) for place in places for path in place.glob(f"*{run.token}*")])
"""


def mounts_are_ours() -> bool:
    """Return whether this process may mount a RAM disk of its own over the machine's."""
    program = shutil.which("unshare")
    if sys.platform != "linux" or os.geteuid() != 0 or program is None:
        return False
    command = [program, "-m", "mount", "-t", "tmpfs", "none", "/dev/shm"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


OWN_RAM_DISK = pytest.mark.skipif(
    not mounts_are_ours(), reason="needs root and the right to mount: run in a privileged container"
)


def made(cache: Path, *before: str, **variables: str) -> list[str]:
    """Make a run in a process of its own; answer the lines that it printed."""
    done = subprocess.run(
        [*before, sys.executable, "-c", MAKE_A_RUN, str(cache)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def on_ram_disk(options: str) -> list[str]:
    script = f'mount -t tmpfs -o {options} none /dev/shm && exec "$@"'
    return ["unshare", "-m", "/bin/sh", "-c", script, "sh"]


def directories(run: Run) -> list[Path]:
    return [p for root in {scratch_root(), Path("/dev/shm")} for p in root.glob(f"*{run.token}*")]


def test_addresses_are_fixed_and_held_before_anything_is_started(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings())
    addresses = (run.database_address(), run.redis_address())
    for address in addresses:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address.host, address.port), timeout=5)
    run.ensure_database()
    run.ensure_redis()
    database, keys = addresses
    with psycopg.connect(database.url("libpq")) as connection:
        row = connection.execute("SELECT current_database()").fetchone()
    with redis.Redis.from_url(keys.url()) as client:
        answered = client.ping()

    assert (row, answered) == ((database.name,), True)
    assert (run.database_address(), run.redis_address()) == addresses


def test_a_port_that_somebody_took_meanwhile_is_told_with_the_servers_own_words(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings())
    addresses = (run.database_address(), run.redis_address())
    texts = []
    for address, start in zip(addresses, (run.ensure_postgres, run.ensure_redis), strict=True):
        with socket.create_server((address.host, address.port)):
            with pytest.raises(TestkitError, match="TK101") as caught:
                start()
            texts.append(str(caught.value))

    assert re.search(f'could not bind IPv4 address "{addresses[0].host}": Address', texts[0])
    assert f"bind {addresses[1].host} port {addresses[1].port}" in texts[1] or "bind: " in texts[1]
    assert all("Address already in use" in text for text in texts)


def test_a_redis_that_does_not_start_leaves_the_directory_of_the_run_to_the_others(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings())
    before, address = run.database_address(), run.redis_address()
    with (
        socket.create_server((address.host, address.port)),
        pytest.raises(TestkitError, match="TK101"),
    ):
        run.ensure_redis()
    run.ensure_database()

    assert run.database_address() == before


@pytest.mark.slow
def test_the_processes_of_a_run_share_a_postgres_and_have_a_redis_each(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    one = new_run(tmp_path, Settings())
    two = new_run(tmp_path, Settings(), worker="gw1", token=one.token)

    assert one.ensure_postgres() == two.ensure_postgres()
    assert one.ensure_redis().port != two.ensure_redis().port
    assert one.database != two.database


def test_a_closed_run_leaves_no_server_and_no_directory(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings())
    servers = (run.ensure_postgres(), run.ensure_redis())
    modes = {stat.S_IMODE(path.stat().st_mode) & 0o766 for path in directories(run)}
    run.close()
    run.close()

    assert modes == {0o700}
    assert [is_alive(kept_of(server).keeper) for server in servers] == [False, False]
    assert directories(run) == []


def test_a_data_directory_that_is_somebody_else_s_is_neither_written_nor_removed(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    run = new_run(tmp_path, Settings())
    ram, _ = ram_root(wanted=ROOM)
    theirs = ram / run.directory.name if ram else run.directory.make() / "data"
    theirs.mkdir()
    try:
        (theirs / "file").write_text("theirs")
        with pytest.raises(TestkitError, match="TK105"):
            run.ensure_postgres()

        assert [path.name for path in theirs.iterdir()] == ["file"]
        assert theirs.stat().st_uid == os.geteuid()
    finally:
        shutil.rmtree(theirs)


def test_a_worker_that_closes_leaves_the_controller_s_postgres_running(
    new_run: Callable[..., Run], tmp_path: Path
) -> None:
    controller = new_run(tmp_path, Settings())
    worker = new_run(tmp_path, Settings(), worker="gw0", token=controller.token)
    # The worker is another process than its owner.
    worker.me = dataclasses.replace(worker.me, started="another")
    server = worker.ensure_postgres()
    worker.close()

    assert is_alive(kept_of(server).keeper)
    assert controller.ensure_postgres() == server


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mÿ tmp 'quoted' 100%", "one, two"])
def test_a_temporary_directory_with_spaces_and_foreign_letters_is_used(
    place: Path, machine_cache: Path, name: str
) -> None:
    folder = place / name
    folder.mkdir(mode=0o711)
    data, _, socket_folder, left = made(machine_cache, TMPDIR=str(folder))

    # libpq would read the comma as the start of another host: then TCP it is.
    assert socket_folder == "None" if "," in name else socket_folder.startswith(str(folder))
    assert Path(data).name
    assert left == "left []"
    assert [path.name for path in folder.iterdir()] == []


@pytest.mark.slow
def test_a_path_too_long_for_a_socket_still_gives_a_server(
    place: Path, machine_cache: Path
) -> None:
    folder = place / ("long" * 30)
    folder.mkdir(mode=0o711)
    _, _, socket_folder, left = made(machine_cache, TMPDIR=str(folder))

    assert (socket_folder, left) == ("None", "left []")


@OWN_RAM_DISK
@pytest.mark.slow
@pytest.mark.parametrize("size", [20, 64])  # 64 MB are what Docker gives a container
def test_a_ram_disk_without_room_is_passed_over_and_the_reason_says_so(
    machine_cache: Path, size: int
) -> None:
    data, reason, _, left = made(machine_cache, *on_ram_disk(f"size={size}m"))

    assert not data.startswith("/dev/shm")
    assert reason.endswith(f"data on disk: /dev/shm has {size} MB free, 256 MB are wanted")
    assert left == "left []"


@OWN_RAM_DISK
@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 8, 24, 32, 36, 40, 44, 48])
@pytest.mark.parametrize("kind", ["warm", "cold"])
def test_a_full_disk_is_one_message_and_leaves_nothing(
    place: Path, machine_cache: Path, kind: str, size: int
) -> None:
    disk = place / "disk"
    disk.mkdir(mode=0o711)
    script = (
        "mount -t tmpfs -o size=1m none /dev/shm"
        f" && mount -t tmpfs -o mode=0711,size={size}m none {disk}"
        ' && "$@"; code=$?; ls -A $TMPDIR/cache/clusters 2>/dev/null | grep -v "\\.lock$"; exit $code'
    )
    cache = machine_cache if kind == "warm" else disk / "cache"
    lines = made(cache, "unshare", "-m", "/bin/sh", "-c", script, "sh", TMPDIR=str(disk))
    messages = re.findall("^(TK10[136]): .*", "\n".join(lines), re.MULTILINE)
    half_built = [line for line in lines[lines.index("left []") + 1 :] if line[0] == "."]

    # A little more than half of the sizes are too small for a cluster or for the second database.
    assert len(messages) == (1 if size < 36 or "No space left" in "\n".join(lines) else 0), lines
    assert messages == [] or "No space left on device" in "\n".join(lines)
    assert half_built == []


@OWN_RAM_DISK
@pytest.mark.slow
@pytest.mark.parametrize("files", [60, 900, 1100])
def test_a_ram_disk_that_takes_no_more_files_gives_a_server_on_disk_or_one_message(
    cache: Path, files: int
) -> None:
    lines = made(cache, *on_ram_disk(f"size=1g,nr_inodes={files}"))
    text = "\n".join(lines)
    messages = re.findall("^TK10[136]: ", text, re.MULTILINE)

    assert lines[-1] == "left []"
    assert (len(messages), "No space left" in text) == (1, True) or "data on disk" in text, text
