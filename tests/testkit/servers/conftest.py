"""Places and clusters that the tests of the servers share."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from testkit.core.options import Settings
from testkit.isolation.template import JournalTemplate
from testkit.servers.programs.binaries import Binaries
from testkit.servers.roads.choice import find_postgres
from testkit.servers.templates.cluster import ClusterCache
from testkit.servers.templates.place import cache_directory
from testkit.system.files import ordinary_user
from testkit.system.processes import ProcessIdentity, identify
from tests.support.runs import new_run as a_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from testkit.servers.run import Run


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the servers' user can pass through: pytest's own are closed to ``nobody``."""
    folder = Path(tempfile.mkdtemp(prefix="testkit-test-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def server_folder(place: Path) -> Path:
    """A server's directory, alone in its run's directory."""
    folder = place / "run" / "server"
    folder.mkdir(parents=True)
    user = ordinary_user()
    if user is not None:
        os.chown(folder, user, user)
    return folder


@pytest.fixture(scope="session")
def myself() -> ProcessIdentity:
    """This process."""
    me = identify(os.getpid())
    assert me is not None
    return me


@pytest.fixture(scope="session")
def machine_cache() -> Path:
    """The machine's cache, where initdb has been done and a template without a schema is built."""
    return cache_directory(Settings())[0]


@pytest.fixture(scope="session")
def binaries(machine_cache: Path) -> Binaries:
    """The machine's Postgres binaries."""
    found = find_postgres(Settings(), (), machine_cache)
    assert isinstance(found, Binaries)
    return found


@pytest.fixture(scope="session")
def base(machine_cache: Path, binaries: Binaries) -> Path:
    """A cluster cache in which initdb has been done."""
    folder = machine_cache / "clusters"
    ClusterCache(folder, binaries, print).with_schema(Settings(), folder, JournalTemplate())
    return folder


@pytest.fixture
def cache(base: Path, machine_cache: Path, tmp_path: Path) -> Path:
    """A cache directory of this test's own: initdb is done, no schema is built."""
    folder = tmp_path / "cache"
    (folder / "clusters").mkdir(mode=0o700, parents=True)
    for cluster in base.glob("base-*"):
        if cluster.is_dir():
            shutil.copytree(cluster, folder / "clusters" / cluster.name)
    # Where root's environment is closed to the servers' user, the binaries are a copy, made once.
    (folder / "binaries").symlink_to(machine_cache / "binaries")
    return folder


@pytest.fixture
def clusters(cache: Path, binaries: Binaries) -> ClusterCache:
    """The cluster cache of this test's own."""
    return ClusterCache(cache / "clusters", binaries, print)


@pytest.fixture
def new_run(machine_cache: Path) -> Iterator[Callable[..., Run]]:
    """Make a run of this process, closed after the test."""
    runs: list[Run] = []

    def make(
        root: Path,
        settings: Settings,
        *,
        cache: Path = machine_cache,
        worker: str = "main",
        token: str = "",
    ) -> Run:
        run = a_run(root, settings, cache=cache, worker=worker, token=token)
        runs.append(run)
        return run

    yield make
    for run in reversed(runs):  # the one that made the directory goes last
        run.close()
