"""Which isolation each test asked for: by its marker, its class, its module or its folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.core.options import Settings

__all__ = ["MARKER", "choose_modes", "folder_marks", "mode_of"]

MARKER: Final = "isolation"
_MODES: Final = ("reset", "rollback", "clone", "none")
_mode: Final = pytest.StashKey[str]()


def folder_marks(config: pytest.Config) -> list[tuple[Path, pytest.Mark]]:
    """Return what ``pytestmark`` of conftest files says of their folders, the deepest first."""
    found: list[tuple[Path, pytest.Mark]] = []
    for plugin in config.pluginmanager.get_plugins():
        file = Path(getattr(plugin, "__file__", None) or "")
        if file.name == "conftest.py":
            marks = getattr(plugin, "pytestmark", ())
            for mark in marks if isinstance(marks, list | tuple) else [marks]:
                plain = mark.mark if isinstance(mark, pytest.MarkDecorator) else mark
                if isinstance(plain, pytest.Mark) and plain.name == MARKER:
                    found.append((file.parent, plain))
    return sorted(found, key=lambda pair: -len(pair[0].parts))


def choose_modes(
    items: Sequence[pytest.Item], settings: Settings, folders: Sequence[tuple[Path, pytest.Mark]]
) -> None:
    """Note the isolation of each test that asks for one. Raises TK308 for what it cannot have."""
    for item in items:
        mark = item.get_closest_marker(MARKER)
        if mark is None:
            mark = next((m for folder, m in folders if item.path.is_relative_to(folder)), None)
        if mark is not None:
            item.stash[_mode] = _asked(mark, item.nodeid, settings)


def mode_of(item: pytest.Item, settings: Settings) -> str:
    """Return what undoes this test."""
    return item.stash.get(_mode, settings.isolation)


def _asked(mark: pytest.Mark, nodeid: str, settings: Settings) -> str:
    values = (*mark.args, *(f"{name}=…" for name in mark.kwargs))
    shown = f"isolation({', '.join(map(repr, mark.args))})"
    if len(values) != 1 or values[0] not in _MODES:
        wanted = "one of " + ", ".join(f'"{mode}"' for mode in _MODES)
        raise TestkitError("TK308", marker=shown, reason=f"it takes {wanted}", nodeid=nodeid)
    mode = str(values[0])
    if settings.isolation == "none" and mode != "none":
        reason = "isolation = 'none' is configured, so the databases have no journal"
        raise TestkitError("TK308", marker=shown, reason=reason, nodeid=nodeid)
    return mode
