"""Catching what a function raises, as it is caught of a test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from testkit.record.evidence.catch import caught

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from testkit.core.runs.failure import Evidence, Json, Raised

__all__ = ["Caught", "caught_of"]


@dataclass(frozen=True, slots=True)
class Caught:
    """The chain and the evidence of one failure."""

    chain: tuple[Raised, ...]
    evidence: tuple[Evidence, ...]

    def facts(self, kind: str) -> Mapping[str, Json]:
        """Return the facts of the only evidence of a kind, empty where there is none."""
        found = self.all(kind)

        assert len(found) <= 1, found
        return found[0] if found else {}

    def all(self, kind: str) -> list[Mapping[str, Json]]:
        """Return the facts of all evidence of a kind."""
        return [one.facts for one in self.evidence if one.kind == kind]

    @property
    def links(self) -> list[tuple[str, str]]:
        """The short names of the chain's types, and how each hangs on the one before it."""
        return [(one.type.rpartition(".")[2], one.link) for one in self.chain]


def caught_of(
    function: Callable[[], object],
    *,
    nodeid: str = "tests/test_it.py::test_it",
    when: Any = "call",
    seconds: float = 10,
) -> Caught:
    """Run a function that fails and return what is caught of it."""
    root = Path(__file__).parents[2]
    config = SimpleNamespace(rootpath=root, getini=lambda _: ["test_*.py"])
    item = SimpleNamespace(nodeid=nodeid, config=config)
    call = pytest.CallInfo.from_call(function, when)

    assert call.excinfo is not None
    return Caught(*caught(item, call, SimpleNamespace(when=when), seconds=seconds))
