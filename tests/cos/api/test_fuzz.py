"""The interface against its own document: generated requests, answers judged by its promises."""

from __future__ import annotations

import random
import sys
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import hypothesis
import pytest
import schemathesis.openapi
from hypothesis import HealthCheck, Phase, given
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from cos.api.safe_headers import HEADERS
from tests.cos.commands import serving
from tests.cos.factories import DeadLetterFactory, ModuleFactory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypothesis.strategies import SearchStrategy
    from schemathesis import Case

DOCUMENT: Final = "/cc/openapi.json"
# Requests of one kind to one operation: the soak run sends 60 times as many.
EXAMPLES: Final = 6


def _kinds() -> Iterator[tuple[GenerationMode, dict[str, Any]]]:
    """Yield what is sent to an operation: nonsense, nothing that exists, and what exists."""
    yield GenerationMode.NEGATIVE, {}
    yield GenerationMode.POSITIVE, {}
    ids = {"module_id": str(ModuleFactory.create().id), "letter_id": DeadLetterFactory.create().id}
    yield GenerationMode.POSITIVE, ids


def _strategies(operation: Any) -> Iterator[SearchStrategy[Case[Any]]]:
    names = {parameter.name for parameter in operation.path_parameters}
    for mode, ids in _kinds():
        given_ids = {name: ids[name] for name in names & ids.keys()}
        yield operation.as_strategy(mode, path_parameters=given_ids or None)


def _try(
    ask: Callable[[Case[Any]], None], cases: SearchStrategy[Case[Any]], *, examples: int, seed: int
) -> None:
    limits = hypothesis.settings(
        max_examples=examples,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    try:
        hypothesis.seed(seed)(limits(given(case=cases)(ask)))()
    except Unsatisfiable:
        return  # an operation without parameters: nothing of it could be wrong


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(
    "examples", [EXAMPLES, pytest.param(60 * EXAMPLES, marks=pytest.mark.soak)]
)
def test_no_request_is_a_fault_and_every_answer_is_what_the_document_promises(
    examples: int,
) -> None:
    seed = random.SystemRandom().randrange(10**9)
    sys.stdout.write(f"seed {seed}\n")
    answered: Counter[tuple[str, int]] = Counter()

    def ask(case: Case[Any]) -> None:
        answer = case.call()
        answered[case.operation.label, answer.status_code] += 1
        # What is valid may be refused: no schema says that no text has U+0000 in it.
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])

        assert {name: answer.headers[name.lower()] for name in HEADERS} == {
            name: [value] for name, value in HEADERS.items()
        }
        assert answer.headers["x-request-id"]

    # Lines of the access log would fill the pipe that nobody reads meanwhile.
    with serving(COS_LOG_LEVEL="warning") as served:
        document = schemathesis.openapi.from_dict(served.ask("GET", DOCUMENT)[2])
        document.config.update(base_url=served.url)
        found = document.get_all_operations()
        operations = [each.ok() for each in found if isinstance(each, Ok)]
        for operation in operations:
            for cases in _strategies(operation):
                _try(ask, cases, examples=examples, seed=seed)
        served.stop()
    succeeded = {label for label, status in answered if status < HTTPStatus.BAD_REQUEST}

    assert "Traceback" not in served.log
    # Not refusals only: what exists was asked for, too. No token that is made up is good.
    assert succeeded == {operation.label for operation in operations} - {"POST /login"}
