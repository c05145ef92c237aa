"""The configuration as the command line finds it."""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING

from testkit.core.messages import TestkitError
from testkit.core.options import Settings, checked_table, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["find_settings"]


def find_settings(start: Path) -> tuple[Settings, Path]:
    """Return the settings and the project's root: the nearest folder with a pyproject.toml.

    Raises TK001 and TK002.
    """
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file():
            return _settings(_table(file), str(file)), folder
    return _settings(None, ""), start


def _settings(table: Mapping[str, object] | None, file: str) -> Settings:
    return read_settings(
        table=table,
        environ=os.environ,
        command_line={},
        file=file,
        parse_table=lambda text: tomllib.loads(f"value = {text}")["value"],
    )


def _table(file: Path) -> Mapping[str, object] | None:
    try:
        tool = tomllib.loads(file.read_text("utf-8")).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        problem = f"not TOML: {error}"
        raise TestkitError(
            "TK002", key="pyproject.toml", value="", problem=problem, source=file
        ) from error
    return checked_table(tool, str(file))
