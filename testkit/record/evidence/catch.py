"""Catching a failure: its chain and its evidence, at the moment when it is reported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from testkit.record.evidence import watching
from testkit.record.evidence.chain import linked, raised_from
from testkit.record.evidence.kinds.assertion import assertion
from testkit.record.evidence.kinds.before import before
from testkit.record.evidence.kinds.double_import import double_import
from testkit.record.evidence.kinds.doubles import doubles
from testkit.record.evidence.kinds.environment import environment
from testkit.record.evidence.kinds.fixture import fixture
from testkit.record.evidence.kinds.http import http
from testkit.record.evidence.kinds.local_values import local_values
from testkit.record.evidence.kinds.logged import logged
from testkit.record.evidence.kinds.mapper import mapper
from testkit.record.evidence.kinds.sql import sql
from testkit.record.evidence.kinds.statements import statements
from testkit.record.evidence.kinds.timing import timing
from testkit.record.evidence.kinds.validation import validation
from testkit.record.evidence.kinds.warned import warned
from testkit.record.evidence.places import Places
from testkit.record.evidence.scene import Scene
from testkit.record.evidence.texts import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from testkit.core.runs.failure import Evidence, Json, Phase, Raised

__all__ = ["KINDS", "MOST_CHARACTERS", "MOST_SECONDS", "caught"]

#: Of one failure: what its chain and its evidence take together.
MOST_CHARACTERS: Final = 64_000
#: For the chain and for the evidence each; after that nothing more is looked for, and one kind
#: ends what it has begun.
MOST_SECONDS: Final = 0.05
#: In the order in which they are told; what comes first is told where time or space are short.
KINDS: Final[tuple[Callable[[Scene], Iterable[Evidence]], ...]] = (
    assertion,
    sql,
    validation,
    mapper,
    fixture,
    http,
    logged,
    doubles,
    environment,
    timing,
    before,
    statements,
    local_values,
    double_import,
    warned,
)
_places: dict[str, Places] = {}


def caught(
    item: Any, call: Any, report: Any, *, seconds: float = MOST_SECONDS
) -> tuple[tuple[Raised, ...], tuple[Evidence, ...]]:
    """Return the chain of a failed phase, and the evidence in the order of the table.

    Nothing of the project's code is run, nothing is raised. A chain is empty where there is no
    exception. ``call`` is pytest's ``CallInfo``; ``item`` is None of what could not be collected.
    """
    try:
        error = call.excinfo.value if call.excinfo is not None else None
        if error is None:
            return (), ()
        return _caught(item, error, report, seconds)
    except Exception:  # noqa: BLE001 - what is looked at may be of any form; a report must come
        return (), ()


def _caught(
    item: Any, error: BaseException, report: Any, seconds: float
) -> tuple[tuple[Raised, ...], tuple[Evidence, ...]]:
    budget = Budget(MOST_CHARACTERS, seconds)
    config = watching.config() if item is None else item.config
    places = _places_of(config)
    errors = linked(error)
    chain = raised_from(errors, places, budget)
    budget.restart()
    scene = Scene(
        nodeid=report.nodeid if item is None else item.nodeid,
        phase=cast("Phase", report.when),
        errors=errors,
        chain=chain,
        places=places,
        budget=budget,
        watched=watching.watched(),
        config=config,
        report=report,
    )
    return chain, tuple(_evidence(scene))


def _evidence(scene: Scene) -> Iterable[Evidence]:
    for kind in KINDS:
        if scene.budget.spent:
            return
        try:
            found = [*kind(scene)]
        except Exception:  # noqa: BLE001, S112 - one kind less; the others are told
            continue
        for one in found:
            if scene.budget.takes(cast("Json", one.facts)):
                yield one


def _places_of(config: Any) -> Places:
    root = str(config.rootpath) if config is not None else str(Path.cwd())
    if root not in _places:
        patterns = tuple(config.getini("python_files")) if config is not None else ()
        _places[root] = Places(root, patterns)
    return _places[root]
