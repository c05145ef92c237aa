"""What is kept in a project between its runs: the folder ``.testkit`` below its root."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from testkit.system.files import private_directory

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["folder_in", "make_folder", "root_above"]

_HOME: Final = ".testkit"


def folder_in(root: Path, name: str) -> Path:
    """Return where the part of that name is, made or not."""
    return root / _HOME / name


def make_folder(root: Path, name: str) -> Path:
    """Return the part of that name, made at the first call, with what keeps it out of a repository.

    Raises OSError where it cannot be made, TK105 where it is a link or somebody else's.
    """
    home = private_directory(root / _HOME)
    folder = private_directory(home / name)
    ignored = home / ".gitignore"
    if not ignored.exists():
        ignored.write_text("*\n")
    return folder


def root_above(start: Path, name: str) -> Path | None:
    """Return the nearest folder, from ``start`` upwards, that has the part of that name."""
    return next((p for p in (start, *start.parents) if folder_in(p, name).is_dir()), None)
