"""The judges themselves: generated suites, their truth, and how answers are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from testkit.core.runs.causes import Cause, Triage
from testkit.core.runs.failure import Failure
from tests.support.red_suites.generator import generate, kinds_of
from tests.support.red_suites.judging import adjusted_rand_index, told, wrong_merges
from tests.support.red_suites.table import CAUSES

if TYPE_CHECKING:
    from pathlib import Path

_TRUTH = {"a": "1", "b": "1", "c": "2", "d": "2", "e": "2", "f": "3"}


def test_the_same_seed_writes_the_same_suite(tmp_path: Path) -> None:
    first = generate(tmp_path / "first", seed=5, causes=12)
    second = generate(tmp_path / "second", seed=5, causes=12)

    assert first.truth == second.truth
    assert _texts(first.folder) == _texts(second.folder)


def test_another_seed_has_other_names(tmp_path: Path) -> None:
    first = generate(tmp_path / "first", seed=1, kinds=["not_null", "missing_table"])
    second = generate(tmp_path / "second", seed=2, kinds=["not_null", "missing_table"])

    assert not first.truth.keys() & second.truth.keys()


def test_every_kind_of_cause_is_drawn_by_some_seed() -> None:
    drawn = {kind for seed in range(40) for kind in kinds_of(seed, 8)}

    assert drawn == {*CAUSES}


def test_a_cause_shows_in_several_files_and_files_hold_several_causes(tmp_path: Path) -> None:
    truth = generate(tmp_path, seed=3, causes=12).truth
    of_files: dict[str, set[str]] = {}
    of_causes: dict[str, set[str]] = {}
    for nodeid, label in truth.items():
        file = nodeid.partition("::")[0]
        of_files.setdefault(file, set()).add(label)
        of_causes.setdefault(label, set()).add(file)

    assert len(of_causes) == 12
    assert max(map(len, of_files.values())) >= 3
    assert sum(len(files) > 1 for files in of_causes.values()) >= 10


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (_TRUTH, 1.0),
        ({test: f"C-{label}" for test, label in _TRUTH.items()}, 1.0),
        ({}, 0.0),
        (dict.fromkeys(_TRUTH, "all"), 0.0),
        # Four pairs in the truth, three in the answer, two in both, of fifteen: (2 - 0.8) / (3.5 - 0.8).
        ({"a": "x", "b": "x", "c": "y", "d": "y", "e": "z", "f": "z"}, 0.4444),
    ],
)
def test_the_adjusted_rand_index_of_known_groupings(found: dict[str, str], expected: float) -> None:
    assert adjusted_rand_index(_TRUTH, found) == pytest.approx(expected, abs=0.0001)


def test_two_planted_causes_under_a_named_rule_are_a_wrong_merge() -> None:
    triage = Triage((_cause("C-1", "named", "abc"), _cause("C-2", None, "df")))

    (merge,) = wrong_merges(_TRUTH, triage)

    assert merge == "named (C-1): 2 of 1, 1 of 2"
    assert told(triage) == {"a": "C-1", "b": "C-1", "c": "C-1", "d": "C-2", "f": "C-2"}


def _cause(name: str, rule: str | None, tests: str) -> Cause:
    return Cause(name, name, rule, tuple(Failure(nodeid=test, file="x") for test in tests))


def _texts(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }
