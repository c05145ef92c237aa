"""What is watched while tests run, so that it is known when one fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["after_test", "before_test", "begin", "end"]


def begin(config: pytest.Config) -> None:
    """Begin to watch, once for a process."""
    del config


def before_test(item: pytest.Item) -> None:
    """Forget what the last test did."""
    del item


def after_test(item: pytest.Item) -> None:
    """Note what this test left behind."""
    del item


def end() -> None:
    """Watch no more."""
