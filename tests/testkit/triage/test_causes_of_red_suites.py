"""What triage says of whole red suites, from the records that their runs wrote."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from testkit.triage.sources.reading import run_from
from testkit.triage.triage import triage
from tests.support.red_suites.disguise_table import DISGUISES
from tests.support.red_suites.generator import generate
from tests.support.red_suites.judging import adjusted_rand_index, told, verdict, wrong_merges
from tests.support.red_suites.running import junit_name, run_red_suite
from tests.support.red_suites.second_judge import SECOND_JUDGE, second_judge
from tests.support.sizes import seed_of, sized

if TYPE_CHECKING:
    from pathlib import Path

    from testkit.core.runs.causes import Triage
    from tests.support.red_suites.generator import RedSuite


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_a_generated_suite_comes_out_as_its_causes(tmp_path: Path, seed: int) -> None:
    suite = generate(tmp_path, seed=seed, causes=10)

    assert _wrong_of(suite, _answer(suite)) == ""


@pytest.mark.parametrize("times", sized("red suites"))
def test_suites_of_any_seed_come_out_as_their_causes(
    tmp_path: Path, times: int, pytestconfig: pytest.Config
) -> None:
    draw = Random(seed_of(pytestconfig))
    wrong = []
    for turn in range(times):
        seed, causes = draw.randrange(10**9), draw.randint(5, 12)
        suite = generate(tmp_path / str(turn), seed=seed, causes=causes)
        if what := _wrong_of(suite, _answer(suite)):
            wrong.append(f"seed={seed}, causes={causes}\n{what}")

    assert not wrong, "\n\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", DISGUISES)
def test_a_cause_is_named_where_its_symptoms_point_elsewhere(tmp_path: Path, name: str) -> None:
    disguise = DISGUISES[name]
    suite = disguise.write(tmp_path)
    answer = _answer(suite)
    what = verdict(suite.truth, answer)

    (cause,) = answer.causes

    assert cause.rule is not None, what
    assert any(word in cause.rule for word in disguise.rules), what
    told_of = f"{cause.title}\n{cause.evidence}"
    assert [name for name in disguise.names if name not in told_of] == [], what


@pytest.mark.slow
def test_a_suite_that_somebody_else_wrote_comes_out_as_its_causes(tmp_path: Path) -> None:
    if SECOND_JUDGE is None:
        pytest.skip("not run: CI_RED_SUITE names no folder with a second suite and its truth")
    suite = second_judge(SECOND_JUDGE, tmp_path)

    assert _wrong_of(suite, _answer(suite)) == ""


def _wrong_of(suite: RedSuite, answer: Triage) -> str:
    """Return what each planted cause came out as, "" where that is right."""
    index = adjusted_rand_index(suite.truth, told(answer))
    if index >= 0.95 and not wrong_merges(suite.truth, answer):
        return ""
    return verdict(suite.truth, answer)


def _answer(suite: RedSuite) -> Triage:
    """Run the suite, check that what is red is what was planted, and ask for the causes."""
    ran = run_red_suite(suite.folder)

    assert {junit_name(nodeid) for nodeid in suite.truth} == ran.red, ran.text
    assert ran.record is not None, ran.text

    return triage(run_from([ran.record], root=suite.folder).failures)
