"""A library is known as soon as it is imported, and looks as it would without that."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

import pytest

from testkit.record.evidence.watched.imports import OnImport
from testkit.system.imports import ImportWatch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "watched_library.py").write_text("VALUE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("watched_library", None)


def test_a_function_is_called_once_the_module_is_whole() -> None:
    seen: list[int] = []
    watch = OnImport({"watched_library": lambda: seen.append(_value())})
    watch.begin()

    before = list(seen)
    module = importlib.import_module("watched_library")
    importlib.reload(module)
    watch.end()

    assert (before, seen) == ([], [1])
    assert type(module.__loader__).__name__ == "SourceFileLoader"


def test_a_function_is_called_at_once_for_what_is_imported_already() -> None:
    importlib.import_module("watched_library")
    seen: list[int] = []
    watch = OnImport({"watched_library": lambda: seen.append(_value())})

    watch.begin()

    assert seen == [1]
    assert watch not in sys.meta_path


def test_a_finder_that_hides_a_module_hides_it_still(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hiding:
        @staticmethod
        def find_spec(name: str, _path: object = None, _target: object = None) -> None:
            if name == "watched_library":
                raise ModuleNotFoundError(name)

    monkeypatch.setattr(sys, "meta_path", [Hiding, *sys.meta_path])
    watch = OnImport({"watched_library": lambda: None})
    watch.begin()

    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("watched_library")
    watch.end()


def test_two_that_wait_for_one_module_are_both_called() -> None:
    seen: list[str] = []
    first = OnImport({"watched_library": lambda: seen.append("first")})
    other = ImportWatch(["watched_library"], lambda _: seen.append("other"))
    second = OnImport({"watched_library": lambda: seen.append("second")})
    for begin in (first.begin, other.start, second.begin):
        begin()

    module = importlib.import_module("watched_library")
    for end in (first.end, other.stop, second.end):
        end()

    assert sorted(seen) == ["first", "other", "second"]
    assert type(module.__loader__).__name__ == "SourceFileLoader"


def test_what_the_function_raises_is_no_failure_of_the_import() -> None:
    def raises() -> None:
        raise LookupError

    watch = OnImport({"watched_library": raises})
    watch.begin()

    assert importlib.import_module("watched_library").VALUE == 1
    watch.end()


def _value() -> int:
    value: int = sys.modules["watched_library"].VALUE
    return value
