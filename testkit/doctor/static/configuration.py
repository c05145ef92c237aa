"""The folders of a tree that are projects of their own, and how pytest imports there."""

from __future__ import annotations

import configparser
import contextlib
import shlex
import tomllib
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Home", "homes_of"]

_MARKS: Final = ("pyproject.toml", "pytest.ini", "tox.ini", "setup.cfg", "setup.py")
_SECTIONS: Final = {"pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}


@dataclass(frozen=True, slots=True)
class Home:
    """A project's folder: what pytest adds to ``sys.path``, and its mode of importing.

    ``undoes`` says that testkit undoes there what tests commit, ``one_loop`` that the settings have
    pytest-asyncio run several tests in one event loop.
    """

    folder: str
    pythonpath: tuple[str, ...] = ()
    import_mode: str = "prepend"
    undoes: bool = False
    one_loop: bool = False


def homes_of(paths: Iterable[str], root: Path) -> tuple[Home, ...]:
    """Return the projects that the files belong to, deepest first; the root is always one."""
    folders = {root}
    for parent in {Path(path).parent for path in paths}:
        for folder in (parent, *parent.parents):
            if folder in folders or not folder.is_relative_to(root):
                break
            if any((folder / mark).is_file() for mark in _MARKS):
                folders.add(folder)
    return tuple(map(_home, sorted(folders, key=lambda each: (-len(each.parts), each))))


def _home(folder: Path) -> Home:
    options: dict[str, Any] = {}
    undoes = False
    for mark in _MARKS[:4]:
        with contextlib.suppress(OSError, ValueError, configparser.Error):
            text = (folder / mark).read_text("utf-8")
            if mark == "pyproject.toml":
                tool = tomllib.loads(text).get("tool", {})
                testkit = tool.get("testkit")
                undoes = isinstance(testkit, dict) and testkit.get("isolation") != "none"
                pytest = tool.get("pytest", {})
                options |= pytest.get("ini_options", {}) or pytest
            else:
                told = configparser.ConfigParser(interpolation=None)
                told.read_string(text)
                if told.has_section(_SECTIONS[mark]):
                    options |= dict(told.items(_SECTIONS[mark]))
    return Home(
        str(folder),
        tuple(str(folder / each) for each in _words(options.get("pythonpath"))),
        _import_mode(_words(options.get("addopts"))),
        undoes,
        options.get("asyncio_default_test_loop_scope", "function") != "function",
    )


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return shlex.split(value)
        return value.split()
    return [str(each) for each in value] if isinstance(value, list) else []


def _import_mode(options: list[str]) -> str:
    for option, following in pairwise([*options, ""]):
        if option.startswith("--import-mode"):
            return option.partition("=")[2] or following
    return "prepend"
