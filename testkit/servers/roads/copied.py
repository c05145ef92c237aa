"""A run's Postgres from programs of this machine: a copy of a cluster, in RAM or on disk."""

from __future__ import annotations

import contextlib
import errno
import time
from typing import TYPE_CHECKING

from testkit.core.messages import TestkitError
from testkit.servers.ownership.workshop import ROOM, discard, server_directory
from testkit.servers.postgres import READY, PostgresServer, start_postgres
from testkit.servers.programs.launch import PreparedKeeper, stop_all
from testkit.servers.templates.cluster import Cluster, ClusterCache
from testkit.system.files import ordinary_user, ram_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.core.addresses import Address
    from testkit.servers.programs.binaries import Binaries
    from testkit.servers.run import Run

__all__ = ["connections_for", "start_copy"]


def connections_for(workers: int) -> int:
    """Return how many connections a server of our own allows: 60 for each process."""
    return max(100, 60 * workers)


def start_copy(run: Run, binaries: Binaries, address: Address) -> PostgresServer:
    """Start a server at the address, on the RAM disk or, where that has no room, on disk.

    Raises TK101, TK103, TK105, TK201 to TK205; OSError where the disk has no room either.
    """
    clusters = ClusterCache(run.cache / "clusters", binaries, run.progress)
    began = time.perf_counter()
    cluster = clusters.with_schema(run.settings, run.root, run.finish)
    run.template_seconds += time.perf_counter() - began
    ram, words = ram_root(wanted=ROOM)
    if ram is not None:
        try:
            data = ram / run.directory.name
            return _start_at(run, cluster, binaries, data=data, address=address, words=words)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            words = f"data on disk: {ram} is full"
    data = run.directory.path / "data"
    return _start_at(run, cluster, binaries, data=data, address=address, words=words)


def _start_at(
    run: Run, cluster: Cluster, binaries: Binaries, *, data: Path, address: Address, words: str
) -> PostgresServer:
    place = run.directory.path / "postgres"
    try:
        run.directory.place(data, mode=0o700, user=ordinary_user())
    except FileExistsError as error:
        # Somebody else's: nothing is written there, and nothing of it removed.
        raise TestkitError("TK105", path=data, problem="was there before the run") from error
    with _removed_on_failure(data, place), PreparedKeeper(run.directory.name) as keeper:
        run.note(data)
        rest = cluster.unfold(data)
        try:
            server = start_postgres(
                keeper,
                binaries,
                data=data,
                directory=server_directory(place),
                port=address.port,
                passwords=(cluster.password, address.password),
                database=READY,
                owners=[run.owner],
                connections=connections_for(run.workers),
                in_ram=data.parent != run.directory.path,
                reason=binaries.reason(words),
            )
        except BaseException:
            rest.exception()  # wait: nobody may write below what is removed now
            raise
        try:
            rest.result()
        except OSError:
            assert server.kept is not None
            stop_all([server.kept])
            raise
        return server


@contextlib.contextmanager
def _removed_on_failure(*paths: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for path in paths:
            # Under another name: a thread that still unfolds there must not go on.
            with contextlib.suppress(OSError):
                discard(path)
        raise
