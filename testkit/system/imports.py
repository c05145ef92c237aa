"""Hearing of a module when it has been loaded, without loading it."""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["ImportWatch"]


class ImportWatch(MetaPathFinder):
    """Calls ``loaded`` with each of the named modules, now or as soon as somebody has imported it.

    The call comes in the importing thread, before the import returns to whoever asked for it.
    """

    def __init__(self, names: Collection[str], loaded: Callable[[ModuleType], None]) -> None:
        self._names = names
        self._loaded = loaded

    def start(self) -> None:
        """Call for what is loaded already; watch for the others."""
        sys.meta_path.insert(0, self)
        for name in self._names:
            module = sys.modules.get(name)
            # One that another thread is still loading has not got what is looked for.
            if module is not None and not getattr(module.__spec__, "_initializing", False):
                self._loaded(module)

    def stop(self) -> None:
        """Stop watching."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find nothing of our own: let the others find it, and listen to its loading."""
        if name not in self._names or self not in sys.meta_path:
            return None
        # Those behind only: two watches of one name would ask each other for ever.
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Listening(spec.loader, self._loaded)
                return spec
        return None


class _Listening(Loader):
    def __init__(self, loader: Loader, loaded: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._loaded = loaded

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def __getattr__(self, name: str) -> Any:
        # Who looks for a module without loading it (runpy does) asks its loader for more.
        return getattr(self._loader, name)

    def exec_module(self, module: ModuleType) -> None:
        # Who asks the module for its loader (importlib.resources does) must find the real one.
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._loaded(module)
