"""What a killed run left goes with the next one; what a living run has is never touched."""

from __future__ import annotations

import dataclasses
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from testkit.servers.ownership.run_directory import RunDirectory
from testkit.system.files import ram_root, scratch_root
from testkit.system.processes import ProcessIdentity, identify
from tests.support.processes import ended_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def me() -> ProcessIdentity:
    found = identify(os.getpid())
    assert found is not None
    return found


@pytest.fixture
def gone() -> ProcessIdentity:
    return ended_process()


@pytest.fixture
def token() -> Iterator[str]:
    token = os.urandom(4).hex()
    yield token
    RunDirectory(token, me()).remove()


def places(name: str) -> list[Path]:
    ram, _ = ram_root(wanted=0)
    return [root / name for root in (scratch_root(), ram) if root is not None]


def test_a_place_has_its_name_only_when_it_is_signed_and_takes_nobody_elses(
    token: str, tmp_path: Path
) -> None:
    directory = RunDirectory(token, me())
    directory.place(tmp_path / "data", mode=0o700, user=None)
    (tmp_path / "other").mkdir()
    for taken in ("data", "other"):
        with pytest.raises(FileExistsError):
            directory.place(tmp_path / taken, mode=0o700, user=None)

    assert json.loads((tmp_path / "data/owner.json").read_text()) == asdict(me())
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "other"]


def test_processes_of_a_run_that_make_its_directory_at_once_agree_on_one(token: str) -> None:
    directory = RunDirectory(token, me())
    with ThreadPoolExecutor(8) as threads:
        made = {*threads.map(lambda _: directory.make(), range(8))}

    assert made == {directory.path}
    assert json.loads((directory.path / "owner.json").read_text()) == asdict(me())


def test_directories_of_a_gone_owner_are_swept_by_the_next_run(
    gone: ProcessIdentity, token: str
) -> None:
    left = [place / "deep" for place in places(f"testkit-{os.geteuid()}-left{token}")]
    for path in left:
        path.mkdir(parents=True)
        (path.parent / "owner.json").write_text(json.dumps(asdict(gone)))
    RunDirectory(token, me()).make()

    assert [path for path in left if path.parent.exists()] == []


def test_directories_of_an_earlier_boot_are_swept_too(gone: ProcessIdentity, token: str) -> None:
    left = places(f"testkit-{os.geteuid()}-left{token}")
    for path in left:
        path.mkdir()
        owner = dataclasses.replace(gone, boot="an earlier boot", namespace="pid:[1]")
        (path / "owner.json").write_text(json.dumps(asdict(owner)))
    RunDirectory(token, me()).make()

    assert [path for path in left if path.exists()] == []


@pytest.mark.parametrize(
    "owner",
    [
        "alive",
        "unnamed",
        "unreadable",
        "of another container",
        "of another version",
        "of an older version",
    ],
)
def test_anything_else_stays_however_old_it_is(
    gone: ProcessIdentity, token: str, owner: str
) -> None:
    """A run with another TMPDIR once took a living run's data for abandoned."""
    left = places(f"testkit-{os.geteuid()}-kept{token}")
    texts = {
        "alive": json.dumps(asdict(me())),
        "unreadable": "{",
        # There the pid may well be alive.
        "of another container": json.dumps(asdict(gone) | {"namespace": "pid:[1]"}),
        "of another version": json.dumps(asdict(gone) | {"more": ""}),
        "of an older version": json.dumps({"pid": gone.pid, "started": "1", "boot": "x"}),
    }
    try:
        for path in left:
            path.mkdir()
            if owner in texts:
                (path / "owner.json").write_text(texts[owner])
            os.utime(path, (0, 0))
        RunDirectory(token, me()).make()

        assert [path for path in left if not path.exists()] == []
    finally:
        for path in left:
            (path / "owner.json").unlink(missing_ok=True)
            path.rmdir()


def test_a_directory_in_which_a_keeper_still_works_is_left_to_it(token: str) -> None:
    directory = RunDirectory(token, me())
    (directory.make() / "redis-gw0").mkdir()
    directory.remove(patience=0)
    stayed = directory.path.exists()
    (directory.path / "redis-gw0").rmdir()
    directory.remove()

    assert (stayed, directory.path.exists()) == (True, False)
