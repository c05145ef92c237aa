"""A watch hears of a module once it is loaded, whoever loads it, and leaves no trace of itself."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from typing import TYPE_CHECKING

import pytest

from testkit.system.imports import ImportWatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

NAME = "watched_by_a_test_of_imports"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a module of that name, on the path."""
    (tmp_path / f"{NAME}.py").write_text("import json as other\nvalue = 1\n")
    sys.path.insert(0, str(tmp_path))
    importlib.invalidate_caches()
    yield tmp_path
    sys.path.remove(str(tmp_path))
    sys.modules.pop(NAME, None)


@pytest.fixture
def heard(folder: Path) -> Iterator[list[ModuleType]]:
    """What a running watch has heard of."""
    found: list[ModuleType] = []
    watch = ImportWatch({NAME}, found.append)
    watch.start()
    yield found
    watch.stop()


def test_it_hears_of_a_module_that_has_been_loaded_whole(heard: list[ModuleType]) -> None:
    assert heard == []
    module = importlib.import_module(NAME)

    assert heard == [module]
    assert module.value == 1


def test_it_hears_at_once_of_a_module_that_was_loaded_before(folder: Path) -> None:
    module = importlib.import_module(NAME)
    found: list[ModuleType] = []
    watch = ImportWatch({NAME, "not_there"}, found.append)
    watch.start()
    watch.stop()

    assert found == [module]


def test_a_loaded_module_knows_its_real_loader(heard: list[ModuleType]) -> None:
    module = importlib.import_module(NAME)

    assert module.__spec__ is not None
    assert type(module.__spec__.loader) is importlib.machinery.SourceFileLoader
    assert module.__loader__ is module.__spec__.loader


def test_to_look_for_a_module_is_not_to_load_it(heard: list[ModuleType]) -> None:
    assert importlib.util.find_spec(NAME) is not None
    assert heard == []


def test_a_loader_answers_as_the_real_one_before_it_loads(heard: list[ModuleType]) -> None:
    spec = importlib.util.find_spec(NAME)

    assert spec is not None
    assert spec.loader is not None
    assert spec.loader.get_filename(NAME).endswith(f"{NAME}.py")  # type: ignore[attr-defined]  # the real one has it
    assert heard == []


def test_a_finder_in_front_that_hides_a_module_hides_it_still(
    heard: list[ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hiding:
        @staticmethod
        def find_spec(name: str, _path: object = None, _target: object = None) -> None:
            if name == NAME:
                raise ModuleNotFoundError(name)

    class Old:
        """A finder of the time before there were specifications."""

    monkeypatch.setattr(sys, "meta_path", [sys.meta_path[0], Old, Hiding, *sys.meta_path[1:]])
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(NAME)

    assert heard == []


def test_two_watches_of_one_module_both_hear(heard: list[ModuleType]) -> None:
    others: list[ModuleType] = []
    other = ImportWatch({NAME}, others.append)
    other.start()
    module = importlib.import_module(NAME)
    other.stop()

    assert (heard, others) == ([module], [module])
    assert type(module.__loader__) is importlib.machinery.SourceFileLoader


def test_a_watch_that_nobody_asks_any_more_finds_nothing() -> None:
    watch = ImportWatch({NAME}, lambda _: None)
    watch.start()
    watch.stop()

    assert watch.find_spec(NAME, None) is None


def test_a_module_that_fails_to_load_is_not_heard_of(heard: list[ModuleType], folder: Path) -> None:
    (folder / f"{NAME}.py").write_text("1 / 0")
    importlib.invalidate_caches()
    with pytest.raises(ZeroDivisionError):
        importlib.import_module(NAME)

    assert heard == []


def test_a_module_that_is_nowhere_stays_missing(heard: list[ModuleType], folder: Path) -> None:
    (folder / f"{NAME}.py").unlink()
    importlib.invalidate_caches()
    with pytest.raises(ModuleNotFoundError, match=NAME):
        importlib.import_module(NAME)

    assert heard == []


def test_a_stopped_watch_hears_nothing_and_is_gone(folder: Path) -> None:
    before = list(sys.meta_path)
    found: list[ModuleType] = []
    watch = ImportWatch({NAME}, found.append)
    watch.start()
    watch.stop()
    watch.stop()
    importlib.import_module(NAME)

    assert (sys.meta_path, found) == (before, [])
