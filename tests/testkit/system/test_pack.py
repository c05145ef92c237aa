"""A tree goes into one file and comes out the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from testkit.system.files import ordinary_user
from testkit.system.pack import Pack, pack_tree

if TYPE_CHECKING:
    from pathlib import Path


def tree(folder: Path) -> dict[str, bytes | None]:
    """Return the contents of the files below a folder; None for a folder."""
    return {
        str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "base" / "1").mkdir(parents=True)
    (source / "empty").mkdir()
    (source / "base" / "1" / "big").write_bytes(os.urandom(3_000_000))
    (source / "base" / "1" / "zero").write_bytes(b"")
    (source / "Wörter ' und\nZeilen").write_text("x")
    return source


@pytest.fixture
def packed(source: Path, tmp_path: Path) -> Pack:
    pack_tree(source, tmp_path / "tree.pack")
    return Pack.read(tmp_path / "tree.pack")


def test_a_tree_comes_out_as_it_went_in(source: Path, packed: Pack, tmp_path: Path) -> None:
    packed.unfold(tmp_path / "target", owner=None)

    assert tree(tmp_path / "target") == tree(source)


def test_parts_make_the_whole(source: Path, packed: Pack, tmp_path: Path) -> None:
    target = tmp_path / "target"
    packed.unfold(target, owner=None, wanted=lambda name: not name.startswith("base/"))
    first = set(tree(target))
    packed.unfold(target, owner=None, wanted=lambda name: name.startswith("base/"))

    assert first == {"base", "empty", "Wörter ' und\nZeilen"}
    assert tree(target) == tree(source)


def test_what_comes_out_is_private_and_belongs_to_the_servers_user(
    packed: Pack, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    packed.unfold(target, owner=ordinary_user())
    found = {(p.is_dir(), p.stat().st_mode & 0o777, p.stat().st_uid) for p in target.rglob("*")}
    user = os.geteuid() if ordinary_user() is None else ordinary_user()

    assert found == {(True, 0o700, user), (False, 0o600, user)}
    assert packed.file.stat().st_mode & 0o777 == 0o600


def test_a_link_is_refused_instead_of_followed(source: Path, tmp_path: Path) -> None:
    (source / "link").symlink_to("/etc/hostname")
    with pytest.raises(OSError, match="neither a folder nor a plain file"):
        pack_tree(source, tmp_path / "tree.pack")


def test_a_file_that_is_there_already_is_not_written_over(packed: Pack, tmp_path: Path) -> None:
    packed.unfold(tmp_path / "target", owner=None)
    with pytest.raises(FileExistsError):
        packed.unfold(tmp_path / "target", owner=None)


@pytest.mark.parametrize("length", [0, 5, 40])
def test_a_damaged_pack_is_refused(tmp_path: Path, length: int) -> None:
    (tmp_path / "tree.pack").write_bytes(b"\xff" * length)
    with pytest.raises((ValueError, OSError)):
        Pack.read(tmp_path / "tree.pack")
