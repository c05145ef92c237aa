"""What evidence costs: catching one failure, and watching a test that passes.

Run from the root of the repository: ``.nox/py311/bin/python benchmarks/evidence.py``. A failure is
caught warm, as the second of a run is, and once cold, before a source file was read. What is
watched is taken in turn with and without.
"""

from __future__ import annotations

import linecache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import sqlalchemy as sa
from measure import interleaved, machine, row

from testkit.record.evidence import watching
from testkit.record.evidence.catch import caught

if TYPE_CHECKING:
    from collections.abc import Callable

_ROUNDS = 200
_ITEM = SimpleNamespace(
    nodeid="tests/test_it.py::test_it",
    config=SimpleNamespace(rootpath=Path.cwd(), getini=lambda _: ["test_*.py"]),
)
_REPORT = SimpleNamespace(when="call")
_ENGINE = sa.create_engine("sqlite://")
_CLIENT = httpx.Client(
    transport=httpx.MockTransport(lambda _: httpx.Response(409, json={"detail": "taken"}))
)


def _plain() -> None:
    value = {"status": 409}
    raise AssertionError(f"assert {value['status']} == 201")


def _database() -> None:
    with _ENGINE.connect() as connection:
        connection.execute(sa.text("SELECT * FROM missing"))


def _huge() -> None:
    local = {str(n): "v" * 1_000 for n in range(10_000)}
    raise ValueError(local, "token_" * 1_000_000)


def _deep(depth: int = 0) -> None:
    _deep(depth + 1)


def _catching(fails: Callable[[], None]) -> Callable[[], object]:
    call = pytest.CallInfo.from_call(fails, "call")
    return lambda: caught(_ITEM, call, _REPORT)


def _test() -> None:
    watching.before_test(_ITEM)
    watching.after_test(_ITEM)


def _ask() -> None:
    _CLIENT.get("http://app/")


def _select() -> None:
    with _ENGINE.connect() as connection:
        connection.execute(sa.text("SELECT 1"))


def _watched(action: Callable[[], None]) -> dict[str, Any]:
    times: dict[str, list[float]] = {"without": [], "watched": []}
    for _ in range(20):
        found = interleaved({"without": action}, rounds=_ROUNDS // 10)
        times["without"] += found["without"]
        watching.begin()
        found = interleaved({"watched": action}, rounds=_ROUNDS // 10)
        times["watched"] += found["watched"]
        watching.end()
    return times


def main() -> None:
    """Print a table for each question."""
    watching.begin()
    actions = {
        "an assertion": _plain,
        "an error of a database": _database,
        "values of 16 MB": _huge,
        "a recursion without end": _deep,
    }
    print("| catching one failure, ms | median | least | most | runs |\n|---|---|---|---|---|")
    for name, fails in actions.items():
        linecache.clearcache()
        cold = interleaved({name: _catching(fails)}, rounds=1, warm_up=0)
        print(row(f"{name}, cold", cold[name]))
        print(row(f"{name}, warm", interleaved({name: _catching(fails)}, rounds=_ROUNDS)[name]))
    print("\n| watching, ms | median | least | most | runs |\n|---|---|---|---|---|")
    print(row("a test", interleaved({"": _test}, rounds=_ROUNDS)[""]))
    watching.end()
    for name, action in {"an exchange": _ask, "a statement": _select}.items():
        for how, times in _watched(action).items():
            print(row(f"{name}, {how}", times))
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
