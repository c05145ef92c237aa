"""A suite whose symptoms point away from its one cause."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.red_suites.generator import RedSuite

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["Disguise"]


@dataclass(frozen=True, slots=True)
class Disguise:
    """``cause`` in words; ``red`` are the node ids that fail of it, ``green`` those that pass.

    ``names`` are words that the title or the evidence of the right cause must hold, ``rules`` are
    words of which the name of its rule must hold one.
    """

    cause: str
    files: Mapping[str, str]
    red: tuple[str, ...]
    green: tuple[str, ...]
    names: tuple[str, ...]
    rules: tuple[str, ...]

    def write(self, folder: Path) -> RedSuite:
        """Write the suite into this folder."""
        for path, text in {"pytest.ini": "[pytest]\n", "pyproject.toml": "", **self.files}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(textwrap.dedent(text).lstrip("\n"))
        return RedSuite(folder, dict.fromkeys(self.red, self.cause), frozenset(self.green))
