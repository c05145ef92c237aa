"""Private places to work in, and their removal beside somebody who is at work there."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING

from testkit.servers.ownership.workshop import discard, workshop_prefix
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

#: As the process of a server that ends just now.
WRITES = 'cd "$1"; echo > begun; for n in $(seq 3000); do echo > "$n" || exit 0; done'
REMOVES = 'cd "$1/.."; echo > "$1/begun"; rm -rf "$1"'


def test_a_directory_into_which_somebody_still_writes_is_gone_when_he_ends(tmp_path: Path) -> None:
    place = tmp_path / "run"
    place.mkdir()
    with subprocess.Popen(["/bin/sh", "-c", WRITES, "sh", place], stderr=subprocess.DEVNULL):
        wait_until((place / "begun").exists)
        discard(place)

    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_somebody_else_removes_as_well_is_gone(tmp_path: Path) -> None:
    for number in range(5):
        place = tmp_path / f"run{number}"
        place.mkdir()
        for name in range(500):
            (place / str(name)).touch()
        with subprocess.Popen(["/bin/sh", "-c", REMOVES, "sh", place], stderr=subprocess.DEVNULL):
            wait_until(lambda place=place: (place / "begun").exists() or not place.exists())  # type: ignore[misc]  # each its own
            with contextlib.suppress(FileNotFoundError):  # the other one was quicker
                discard(place)

    assert list(tmp_path.glob(f"{workshop_prefix()}*")) == []
