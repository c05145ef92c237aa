"""How often a test repeats itself in each session: the only place to change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["seed_of", "sized"]

What = Literal["programs", "suites", "resets", "names", "faults", "conversations", "red suites"]

#: By what is repeated and the session that repeats it: ``fast`` and ``slow`` with every change,
#: ``soak`` at night, with the counts of the acceptance list.
_TIMES: Final[Mapping[What, Mapping[str, int]]] = {
    # For each of two modes: thirty in `slow`.
    "programs": {"fast": 2, "slow": 15, "soak": 2000},
    "suites": {"slow": 1, "soak": 50},
    "resets": {"slow": 500, "soak": 5000},
    # In each of several processes at once, three times; a row is one process' share.
    "names": {"slow": 1000, "soak": 20_000},
    # Runs of two hundred tests, each in another order.
    "faults": {"slow": 1, "soak": 20},
    # With three protocols each.
    "conversations": {"fast": 40, "slow": 300, "soak": 20_000},
    # Generated with seeds that are drawn; a few fixed seeds are of `slow`.
    "red suites": {"soak": 50},
}


def sized(what: What) -> list[Any]:
    """Return one row of parameters for each session: how often the test repeats itself there."""
    return [
        pytest.param(
            times,
            marks=[] if size == "fast" else [getattr(pytest.mark, size), pytest.mark.timeout(7200)],
            id=f"{size}: {times}",
        )
        for size, times in _TIMES[what].items()
    ]


def seed_of(config: pytest.Config) -> int:
    """Return the seed of this run, and print it: the header of the run shows it, too.

    It is another one in each run; ``--randomly-seed=N`` gives it again.
    """
    seed = int(config.getoption("randomly_seed", 0))
    print(f"seed {seed}")  # noqa: T201 - it must be known afterwards
    return seed
