"""What was raised, and what was seen, as facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from testkit.core.runs.failure import Evidence, Raised

__all__ = ["caught"]


def caught(
    item: pytest.Item | None, call: pytest.CallInfo[Any], report: Any
) -> tuple[tuple[Raised, ...], tuple[Evidence, ...]]:
    """Return the chain of exceptions and the evidence of one failure, masked and cut."""
    del item, call, report
    return (), ()
