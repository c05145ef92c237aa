"""Doing something as soon as a library is imported, without importing it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["OnImport"]


class OnImport:
    """Calls a function for each named module, now or right after it was imported.

    A finder in front of the others that answers only for these names, once each, with what the
    next finder found. What a function raises is swallowed: the import is the project's.
    """

    def __init__(self, calls: Mapping[str, Callable[[], None]]) -> None:
        self._waiting = dict(calls)

    def begin(self) -> None:
        """Call for what is imported already; wait for the others."""
        for name in [name for name in self._waiting if _is_whole(name)]:
            self.arrived(name)
        if self._waiting:
            sys.meta_path.insert(0, self)

    def end(self) -> None:
        """Wait for nothing more."""
        self._waiting.clear()
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def arrived(self, name: str) -> None:
        """Call the function of a module, once."""
        call = self._waiting.pop(name, None)
        if call is not None:
            try:
                call()
            except Exception:  # noqa: BLE001 - a library of another form than we know
                return

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for a name that is waited for; for any other leave it to the next finder."""
        if name not in self._waiting or self not in sys.meta_path:
            return None
        # Those behind, in their order: one of them may hide or replace this module.
        finders = sys.meta_path[sys.meta_path.index(self) + 1 :]
        found = (f.find_spec(name, path, target) for f in finders if hasattr(f, "find_spec"))
        spec = next((one for one in found if one is not None), None)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return spec
        spec.loader = _Calling(spec.loader, self, name)  # type: ignore[assignment]  # the protocol
        return spec


class _Calling:
    """Loads as the loader does that it stands for, which takes its place again at once."""

    def __init__(self, loader: Any, on_import: OnImport, name: str) -> None:
        self._loader, self._on_import, self._name = loader, on_import, name

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._on_import.arrived(self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


def _is_whole(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)
