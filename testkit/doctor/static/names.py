"""Under which names the files of a project are imported, and by which lines."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testkit.doctor.static.module import is_test_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from testkit.doctor.static.configuration import Home
    from testkit.doctor.static.imports import Imported, Imports
    from testkit.doctor.static.project import Project

__all__ = ["Use", "uses_of"]

# Files there are started by themselves, each in a process of its own.
_ALONE: Final = frozenset(("docs", "doc", "examples", "example", "scripts", "tools", "benchmarks"))
_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class Use:
    """A line that imports a file under ``name``; a ``relative`` one follows its own file's name.

    ``by`` is None where pytest itself does it, and ``names`` are those that stand for the file
    itself: submodules of what a ``from`` names.
    """

    name: str
    path: str
    by: Imported | None
    relative: bool = False
    whole: bool = True


def uses_of(project: Project) -> dict[str, list[Use]]:
    """Return by file the lines that import it, where they can be in one process.

    A name counts where exactly one file of its project has it, from the folders that are in
    ``sys.path``: the project's, ``src``, what pytest's settings and lines of the code add, and what
    pytest adds itself for files of tests without a package around them.
    """
    found: dict[str, list[Use]] = defaultdict(list)
    for home, files in _by_home(project):
        for path, uses in _of_home(project, home, files).items():
            found[path] += uses
    return found


def _by_home(project: Project) -> Iterator[tuple[Home, list[str]]]:
    """Give each project with its files, without those that are started by themselves."""
    files: dict[Home, list[str]] = defaultdict(list)
    for path in project.files:
        home = project.home(path)
        inside = path[len(home.folder) + 1 :].split("/")
        if not _ALONE.intersection(part.lower() for part in inside[:-1]):
            files[home].append(path)
    yield from files.items()


def _of_home(project: Project, home: Home, files: Sequence[str]) -> dict[str, list[Use]]:
    told: Mapping[str, Imports] = project.of("imports")
    known = set(files)
    roots = _roots(home, told, files, known)
    named = _named(roots, files)
    found: dict[str, list[Use]] = defaultdict(list)
    if home.import_mode != "importlib":
        for path in files:
            if is_test_file(path):
                found[path].append(Use(_pytest_name(path, known), path, None))
    for path in files:
        for each in told[path]["imports"] if path in told and not told[path]["script"] else ():
            if not each["level"]:
                for target, name, whole in _targets(each["module"], each["names"], named):
                    found[target].append(Use(name, path, each, whole=whole))
    _follow(found, told, files, known)
    return found


def _roots(
    home: Home, told: Mapping[str, Imports], files: Sequence[str], known: set[str]
) -> list[str]:
    """Return the folders in ``sys.path``, once each."""
    roots = [home.folder, posixpath.join(home.folder, "src"), *home.pythonpath]
    for path in files:
        if path in told and not told[path]["script"]:
            roots += [folder for folder, _ in told[path]["paths"]]
        if is_test_file(path) and home.import_mode != "importlib":
            roots.append(_basedir(path, known))
    return list(dict.fromkeys(roots))


def _named(roots: Sequence[str], files: Sequence[str]) -> dict[str, str]:
    """Return by dotted name its file; a name that two files have is no name."""
    found: dict[str, str] = {}
    for root in roots:
        for path in files:
            if path.startswith(f"{root}/"):
                name = _dotted(path[len(root) + 1 :])
                if name:
                    found[name] = path if found.get(name, path) == path else ""
    return {name: path for name, path in found.items() if path}


def _dotted(relative: str) -> str:
    parts = relative.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else ""


def _targets(
    module: str, names: Sequence[str], named: Mapping[str, str]
) -> Iterator[tuple[str, str, bool]]:
    """Give each file that an import reaches, under which name, and whether the import names it."""
    if module in named:
        yield named[module], module, True
    for name in names:
        inner = f"{module}.{name}"
        if inner in named:
            yield named[inner], inner, False


def _follow(
    found: dict[str, list[Use]],
    told: Mapping[str, Imports],
    files: Sequence[str],
    known: set[str],
) -> None:
    """Add what relative imports reach, under each name that their own file has."""
    for _ in range(_ROUNDS):
        added = False
        for path in files:
            for each in told[path]["imports"] if path in told else ():
                if each["level"] and _add_relative(found, path, each, known):
                    added = True
        if not added:
            return


def _add_relative(found: dict[str, list[Use]], path: str, each: Imported, known: set[str]) -> bool:
    folder = path
    for _ in range(each["level"]):
        folder = posixpath.dirname(folder)
    names = {use.name for use in found.get(path, ())} or {_pytest_name(path, known)}
    added = False
    for own in sorted(names):
        parts = own.split(".")
        kept = len(parts) - each["level"] + path.endswith("/__init__.py")
        if kept < 1:
            continue
        prefix = parts[:kept]
        inner = each["module"].split(".") if each["module"] else []
        for rest in ([*inner], *([*inner, name] for name in each["names"])):
            for target in (
                posixpath.join(folder, *rest) + ".py",
                posixpath.join(folder, *rest, "__init__.py"),
            ):
                use = Use(".".join([*prefix, *rest]), path, each, relative=True)
                if target in known and target != path and use not in found[target]:
                    found[target].append(use)
                    added = True
    return added


def _basedir(path: str, known: set[str]) -> str:
    """Return the first folder above a file that is no package."""
    folder = posixpath.dirname(path)
    while posixpath.join(folder, "__init__.py") in known:
        folder = posixpath.dirname(folder)
    return folder


def _pytest_name(path: str, known: set[str]) -> str:
    return _dotted(path[len(_basedir(path, known)) + 1 :])
