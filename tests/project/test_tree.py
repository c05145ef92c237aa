"""The repository holds to its own rules: layers, sizes, names, public surface."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
MAP: Final = ROOT / "ARCHITECTURE.md"
PACKAGES: Final = ("cos", "testkit")
MOST_LINES: Final = 400
MOST_LINES_OF_A_TEST: Final = 600
MOST_PUBLIC_NAMES: Final = 12
# Words that say nothing about what is inside.
EMPTY_WORDS: Final = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


@pytest.fixture(scope="module", autouse=True)
def _trees_last_as_long_as_these_tests() -> Iterator[None]:
    yield
    parsed.cache_clear()
    nodes.cache_clear()


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Return a module's tree; each is made once for all tests."""
    return ast.parse(path.read_text())


@functools.cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return every node of a tree; each is walked once for all tests."""
    return tuple(ast.walk(tree))


def imported(tree: ast.AST) -> set[str]:
    """Return the dotted names that a module imports, wherever the import stands."""
    names: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def called(tree: ast.AST) -> set[str]:
    """Return the last names of everything that a module calls."""
    return {
        getattr(node.func, "attr", getattr(node.func, "id", ""))
        for node in nodes(tree)
        if isinstance(node, ast.Call)
    }


def constant(tree: ast.Module, name: str) -> object:
    """Return the value of a literal at the top of a module, None where there is none."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign)
            found: object = ast.literal_eval(node.value)
            return found
    return None


def test_the_layers_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_map_names_every_package_and_folder() -> None:
    text = MAP.read_text()
    packages = {
        f"{named(path.parent)}/" for path in sources(*PACKAGES) if path.name == "__init__.py"
    }
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {f"{name.split('/')[0]}/" for name in tracked if "/" in name}
    missing = [name for name in sorted(packages | folders) if not _mentions(text, name)]

    assert missing == []


def test_the_map_names_nothing_that_is_not_there() -> None:
    names = re.findall(r"`([\w./-]+(?:/|\.py|\.sql|\.ini|\.toml))`", MAP.read_text())
    places = [ROOT, *(ROOT / package for package in PACKAGES), ROOT / "tests"]
    files = sources(*PACKAGES, "tests")
    gone = [
        name
        for name in names
        if not any((place / name).exists() for place in places)
        and not any(path.match(name.rstrip("/")) for path in files)
    ]

    assert len(names) > 10
    assert gone == []


def _mentions(text: str, folder: str) -> bool:
    """A folder is mentioned by its path, or by its name under its parent's heading."""
    name = folder.rstrip("/").split("/")[-1]
    return f"{folder}" in text or re.search(rf"(?<![\w/]){name}/", text) is not None


def test_no_test_sleeps_or_mocks() -> None:
    found = {}
    for path in sources("tests", "examples"):
        tree = parsed(path)
        names = imported(tree)
        words = called(tree) | {name.rpartition(".")[2] for name in names}
        # Under a clock that stands a sleep is no wait: it is what these tests are about.
        words -= {"sleep"} if path.is_relative_to(ROOT / "tests" / "testkit" / "clock") else set()
        # What a run is told of mocks is tested with mocks.
        shown = path.is_relative_to(ROOT / "tests" / "testkit" / "record" / "evidence")
        names -= {name for name in names if shown and name.startswith("unittest.mock")}
        mocks = {n for n in names if n.startswith(("unittest.mock", "mock", "pytest_mock"))}
        if mocks or "sleep" in words:
            found[named(path)] = sorted(mocks | words & {"sleep"})

    assert found == {}


def test_files_are_small() -> None:
    long = {}
    for path in sources(*PACKAGES, "tests", "benchmarks"):
        lines = len(path.read_text().splitlines())
        if lines > (MOST_LINES_OF_A_TEST if path.is_relative_to(ROOT / "tests") else MOST_LINES):
            long[named(path)] = lines

    assert long == {}


def test_files_are_named_after_what_they_hold() -> None:
    empty = [
        named(path)
        for path in sources(*PACKAGES, "tests", "benchmarks", "examples")
        if set(re.split(r"[_/.]", named(path))) & EMPTY_WORDS
    ]

    assert empty == []


def test_every_module_has_a_docstring() -> None:
    bare = [p for p in sources(*PACKAGES) if not ast.get_docstring(parsed(p))]

    assert [named(path) for path in bare] == []


def test_every_public_surface_is_sorted_small_and_there() -> None:
    found = {}
    for path in sources(*PACKAGES):
        tree = parsed(path)
        public = constant(tree, "__all__")
        if public is None:
            continue
        assert isinstance(public, list)
        if public != sorted(set(public), key=_rank) or set(public) - defined(tree):
            found[named(path)] = public
        if len(public) > MOST_PUBLIC_NAMES:
            found[named(path)] = public

    assert found == {}


def _rank(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, as the linter sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def defined(tree: ast.AST) -> set[str]:
    """Return every name that a module defines or imports."""
    return {
        name
        for node in nodes(tree)
        for name in (getattr(node, key, None) for key in ("name", "id", "asname"))
        if isinstance(name, str)
    }


def test_every_test_folder_mirrors_a_package() -> None:
    strays = [
        named(folder)
        for package in PACKAGES
        for folder in (ROOT / "tests" / package).rglob("*")
        if folder.is_dir()
        and folder.name != "__pycache__"
        and not (ROOT / folder.relative_to(ROOT / "tests")).is_dir()
    ]

    assert strays == []


def test_no_test_stands_in_a_file_that_pytest_does_not_collect() -> None:
    strays = [
        f"{named(path)}::{node.name}"
        for path in sources("tests")
        if not path.name.startswith("test_")
        for node in nodes(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
    ]

    assert strays == []


def test_no_name_of_a_test_stands_twice_in_a_file() -> None:
    twice = []
    for path in sources("tests"):
        names = [
            node.name
            for node in parsed(path).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        twice += [f"{named(path)}::{n}" for n in names if names.count(n) > 1]

    assert twice == []


def test_every_test_asserts_something() -> None:
    empty = []
    for path in sources("tests"):
        for node in nodes(parsed(path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if not node.name.startswith("test_") or not path.name.startswith("test_"):
                continue
            checks = any(isinstance(part, ast.Assert) for part in nodes(node))
            if not checks and not called(node) & {"raises", "check", "warns", "fail"}:
                empty.append(f"{named(path)}::{node.name}")

    assert empty == []
