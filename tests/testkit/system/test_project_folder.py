"""The folder .testkit of a project."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from testkit.core.messages import TestkitError
from testkit.system.project_folder import folder_in, make_folder, root_above

if TYPE_CHECKING:
    from pathlib import Path


def test_a_part_is_made_once_private_and_out_of_the_repository(tmp_path: Path) -> None:
    made = {make_folder(tmp_path, "draws") for _ in range(2)}

    assert made == {tmp_path / ".testkit/draws"}
    assert stat.S_IMODE((tmp_path / ".testkit/draws").stat().st_mode) == 0o700
    assert (tmp_path / ".testkit/.gitignore").read_text() == "*\n"


def test_the_nearest_folder_above_that_has_the_part_is_found(tmp_path: Path) -> None:
    make_folder(tmp_path, "draws")
    below = tmp_path / "a/b"
    below.mkdir(parents=True)
    make_folder(tmp_path / "a", "kept")

    assert root_above(below, "draws") == tmp_path
    assert root_above(below, "kept") == tmp_path / "a"
    assert root_above(below, "other") is None


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".testkit").mkdir()
    folder_in(tmp_path, "draws").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TestkitError, match="TK105"):
        make_folder(tmp_path, "draws")

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_home_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / ".testkit").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(TestkitError) as refused:
        make_folder(tmp_path, "draws")

    assert refused.value.code == "TK105"
    assert list((tmp_path / "elsewhere").iterdir()) == []
