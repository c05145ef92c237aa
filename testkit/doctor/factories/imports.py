"""The import of files as pytest imports them in this project, and the factories in them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.config import ConftestImportFailure
from _pytest.pathlib import ImportMode, ImportPathMismatchError, import_path
from factory.alchemy import SQLAlchemyModelFactory

from testkit.core.options import MARKERS, OPTIONS, flag
from testkit.doctor.factories.failing import failure_of
from testkit.factories.registry import all_factories

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from types import ModuleType

    from testkit.doctor.factories.files import FactoryFile
    from testkit.doctor.factories.trial import Failure

__all__ = ["Imports", "declared_in", "with_project"]


def with_project(paths: Iterable[Path], work: Callable[[Imports], None]) -> int:
    """Let pytest read its configuration and the first conftest files, then do the work.

    No test is collected, and testkit's own plugin stays out: the servers are there already.
    Returns pytest's exit code; the work is not done where that is not 0.
    """
    blocked = ("testkit", "testkit.pytest_plugin.hooks")
    options = [part for name in blocked for part in ("-p", f"no:{name}")]
    # Of modules of ours that are loaded already: a project may make errors of its warnings.
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return pytest.main([*options, *map(str, paths)], plugins=[_Door(work)])


class _Door:
    def __init__(self, work: Callable[[Imports], None]) -> None:
        self._work = work
        self._failed: dict[Path, Failure] = {}

    def pytest_addoption(self, parser: pytest.Parser) -> None:
        # addopts may hold options of the plugin that stays out.
        group = parser.getgroup("testkit")
        for option in OPTIONS:
            group.addoption(flag(option.key), dest=f"testkit_{option.key}", **option.bare)

    @pytest.hookimpl(wrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None, None, None]:
        try:
            return (yield)
        except ConftestImportFailure as error:
            self._failed[error.path] = failure_of(error.cause)

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        # What a conftest file does in pytest_configure, its tests rely on; strict markers as well.
        for marker in MARKERS:
            config.addinivalue_line("markers", marker)
        config._do_configure()  # noqa: SLF001 - nothing public does it without a session
        self._work(Imports(config, self._failed))
        return 0


class Imports:
    """Imports files, and remembers which failed (``failed``) or skip themselves (``skipped``)."""

    def __init__(self, config: pytest.Config, failed: dict[Path, Failure]) -> None:
        self._config = config
        self.failed = failed
        self.skipped: dict[Path, str] = {}

    def modules(self, files: Iterable[FactoryFile]) -> list[tuple[FactoryFile, ModuleType]]:
        """Return the files that can be imported with their modules, in the order of the files.

        Test modules come first: what they import has the name that the project gives it.
        """
        given = list(files)
        found: dict[Path, ModuleType] = {}
        for file in sorted(given, key=lambda each: not self._is_test(each.path)):
            if not file.named and self._is_ignored(file.path):
                continue
            module = self._imported(file.path)
            if module is not None:
                found[file.path] = module
        return [(file, found[file.path]) for file in given if file.path in found]

    def _is_ignored(self, path: Path) -> bool:
        """Return whether pytest would not look at the file: ``collect_ignore``, ``--ignore``."""
        return bool(
            self._config.hook.pytest_ignore_collect(collection_path=path, config=self._config)
        )

    def _is_test(self, path: Path) -> bool:
        patterns = self._config.getini("python_files")
        return path.name == "conftest.py" or any(path.match(pattern) for pattern in patterns)

    def _imported(self, path: Path) -> ModuleType | None:
        if path in self.failed:
            return None
        try:
            return _loaded(path) or self._load(path)
        except KeyboardInterrupt:
            raise
        except pytest.skip.Exception as skipped:
            self.skipped[path] = str(skipped.msg)
        except BaseException as error:  # noqa: BLE001 - a module may raise whatever it likes
            self.failed[path] = failure_of(error)
        return None

    def _load(self, path: Path) -> ModuleType:
        mode = ImportMode(self._config.getoption("importmode"))
        if path.name == "conftest.py":
            sys.modules.pop("conftest", None)  # those outside of packages share the name
        try:
            return self._import(path, mode)
        except ImportPathMismatchError:
            # A second factories.py: pytest collects neither, hence it would not mind.
            return self._import(path, ImportMode.importlib)

    def _import(self, path: Path, mode: ImportMode) -> ModuleType:
        return import_path(
            path,
            mode=mode,
            root=self._config.rootpath,
            consider_namespace_packages=self._config.getini("consider_namespace_packages"),
        )


def _loaded(path: Path) -> ModuleType | None:
    """Return the module that came of this file already, under whatever name."""
    for module in list(sys.modules.values()):
        # Not getattr: some modules load others when they are asked.
        file = getattr(module, "__dict__", {}).get("__file__")
        if isinstance(file, str) and file.endswith(path.name) and Path(file).resolve() == path:
            return module
    return None


def declared_in(modules: Iterable[tuple[FactoryFile, ModuleType]]) -> list[tuple[FactoryFile, Any]]:
    """Return the factories of these modules that make rows, in the order of the files.

    Those of testkit that a module makes by a call, without a class statement, are among them.
    """
    found: dict[Any, FactoryFile] = {}
    for file, module in modules:
        for factory in _factories_of(vars(module).values(), module.__name__):
            found.setdefault(factory, file)
        for factory in all_factories():
            if factory.__module__ == module.__name__ and "<locals>" not in factory.__qualname__:
                found.setdefault(factory, file)
    return [(file, factory) for factory, file in found.items()]


def _factories_of(values: Iterable[object], module: str) -> Iterator[Any]:
    for value in list(values):
        if not isinstance(value, type) or value.__module__ != module:
            continue
        if issubclass(value, SQLAlchemyModelFactory):
            meta: Any = value._meta  # noqa: SLF001 - factory-boy's place for options
            if not meta.abstract and meta.model is not None:
                yield value
        yield from _factories_of(vars(value).values(), module)
