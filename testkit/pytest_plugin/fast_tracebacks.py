"""Tracebacks of a red run: drawn without reading each file anew for each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from testkit.tracebacks.drawing import Drawing

__all__ = ["begin", "end", "hand_over", "told", "told_by_worker"]

_OUTPUT: Final = "testkit_fast_tracebacks"
#: Styles for which pytest reads the source of each frame.
_DRAWN: Final = frozenset(("auto", "long", "short"))
_key: Final = pytest.StashKey["_State"]()


class _State:
    def __init__(self) -> None:
        self.drawing: Drawing | None = None
        self.note: str = ""
        self.is_decided = False


def _state(config: pytest.Config) -> _State:
    if _key not in config.stash:
        config.stash[_key] = _State()
    return config.stash[_key]


def begin(config: pytest.Config, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
    """Before the first failure is drawn put the stand-ins in place, and check them on it.

    Where they do not fit this pytest, they are left out, and why is noted.
    """
    state = _state(config)
    if state.is_decided or isinstance(excinfo.value, pytest.skip.Exception):
        return
    state.is_decided = True
    if config.getoption("tbstyle", "auto") not in _DRAWN:
        return
    from testkit.tracebacks.drawing import drawing

    if unknown := drawing.begin():
        names = ", ".join(unknown)
        state.note = _line(TestkitError("TK750", version=pytest.__version__, names=names))
        return
    if place := drawing.differs(excinfo.traceback):
        drawing.end()
        state.note = _line(TestkitError("TK751", version=pytest.__version__, place=place))
        return
    state.drawing = drawing


def end(config: pytest.Config) -> None:
    """Give pytest its own functions back; in a worker of xdist hand its note to the controller."""
    state = _state(config)
    if state.drawing is not None:
        state.drawing.end()
        state.drawing = None


def hand_over(config: Any) -> None:
    """In a worker of xdist: hand its note to the controller."""
    if hasattr(config, "workeroutput") and _state(config).note:
        config.workeroutput[_OUTPUT] = _state(config).note


def told_by_worker(node: Any) -> None:
    """Note what a worker of xdist handed over."""
    if note := getattr(node, "workeroutput", {}).get(_OUTPUT):
        _state(node.config).note = note


def told(config: pytest.Config) -> list[str]:
    """Return the line that says why pytest's own functions drew the tracebacks, if they did."""
    note = _state(config).note
    return [note] if note else []


def _line(error: TestkitError) -> str:
    return f"testkit: {str(error).splitlines()[0]}"
