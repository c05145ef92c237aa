"""Objects whose own code must not be run: each note of it stands in ``RAN``."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["RAN", "Bomb", "BombError", "Liar", "LyingMeta"]

RAN: list[str] = []


def _ran(name: str) -> NoReturn:
    RAN.append(name)
    raise SystemExit(f"{name} was run")


class Bomb:
    """Every way to look at it is noted."""

    def __repr__(self) -> str:
        _ran("repr")

    def __str__(self) -> str:  # noqa: PLE0307 - never returns
        _ran("str")

    def __eq__(self, other: object) -> bool:
        _ran("eq")

    def __hash__(self) -> int:
        return 1

    def __bool__(self) -> bool:  # noqa: PLE0304 - never returns
        _ran("bool")

    def __len__(self) -> int:  # noqa: PLE0303 - never returns
        _ran("len")

    def __iter__(self) -> Any:
        _ran("iter")

    def __getattr__(self, name: str) -> Any:
        _ran(f"getattr {name}")

    @property
    def active(self) -> object:
        """Run, where somebody reads it."""
        _ran("property")


class Liar:
    """Says that it is a text, and has a dictionary of its own making."""

    @property  # type: ignore[misc]  # it lies
    def __class__(self) -> Any:
        _ran("__class__")

    @property
    def __dict__(self) -> Any:  # type: ignore[override]  # it lies
        _ran("__dict__")


class LyingMeta(type):
    """A class of classes that looks at nothing without being noticed."""

    def __getattribute__(cls, name: str) -> Any:
        if name in {"__name__", "__module__", "__qualname__", "__mro__", "__dict__"}:
            _ran(f"metaclass {name}")
        return super().__getattribute__(name)

    def __instancecheck__(cls, thing: object) -> bool:
        _ran("instancecheck")

    def __eq__(cls, other: object) -> bool:
        _ran("metaclass eq")

    def __hash__(cls) -> int:
        return 1


class BombError(Exception):
    """An error that draws itself, and keeps its arguments from who reads them."""

    def __str__(self) -> str:  # noqa: PLE0307 - never returns
        _ran("str of an error")

    def __repr__(self) -> str:
        _ran("repr of an error")

    @property
    def orig(self) -> object:
        """Run, where somebody reads it."""
        _ran("orig")

    @property
    def __cause__(self) -> Any:  # type: ignore[override]  # it lies
        _ran("__cause__")
