"""The lines of a run record, version 1: JSON objects, one a line, told apart by ``kind``.

A record is ``.testkit/runs/<UTC time>-<run id>.jsonl``. Readers ignore keys and kinds that they
do not know, and a last line that is cut. A record without ``end`` is of a run that was killed.

- ``run``, first: ``version`` 1, ``id``, ``started`` (UTC, ISO 8601), ``testkit``, ``argv``,
  ``root``, ``python``, ``platform``, ``pytest``, ``git`` {commit, branch}, ``backends``,
  ``distributions`` {name: version}, ``distributions_hash``, ``environment`` (names only),
  ``template``, ``seeds``, ``workers`` (0 without xdist), ``shard``.
- ``selected``: ``nodeids`` collected and selected, at most 1,000 a line; ``deselected``, a number,
  and ``deselected_nodeids`` where they are few.
- ``test``, one a phase that matters, which is every call, and each set-up or teardown that did not
  pass: ``nodeid``, ``file``, ``worker``, ``order``, ``attempt``, ``phase``, ``outcome`` (passed,
  failed, error, skipped, xfailed, xpassed, rerun), ``setup``, ``call``, ``teardown`` (seconds),
  ``began`` (seconds since the run did), ``subtest``, ``reason`` (of a skip), ``marks``, ``sums``
  (of a test that failed for its subtests: how many did, each of which has a line); of a failure
  also ``signature``, ``message``, ``chain``, ``evidence``, ``text``.
- ``collect``: a module that could not be collected, as a failed ``test`` of phase ``collect``.
- ``worker``, what befell one: ``worker``, ``what`` (started, ended, crashed), ``while`` (node id).
- ``end``, last: ``exitstatus``, ``counts`` {outcome: tests}, ``seconds``, ``cut`` (why fewer ran
  than were selected: ``maxfail``, ``interrupted``, or empty), ``dirty`` (git knows of changes).

``chain`` is a list of ``{type, message, link, frames}``, a frame ``[path, line, function, text,
owner]``; ``evidence`` a list of ``{"kind": …, …facts}``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from testkit.core.runs.failure import Evidence, Failure, Frame, Raised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from testkit.core.runs.failure import Json, Link, Owner, Phase

__all__ = ["VERSION", "chain_from", "chain_json", "evidence_from", "evidence_json", "failure_from"]

VERSION: Final = 1
# Not sets: what a line holds may be anything.
_FAILED: Final = ("failed", "error", "rerun")
_PHASES: Final = ("collect", "setup", "teardown")


def chain_json(chain: Iterable[Raised]) -> list[Json]:
    """Return a chain as a record holds it."""
    return [
        {
            "type": raised.type,
            "message": raised.message,
            "link": raised.link,
            "frames": [[f.path, f.line, f.function, f.text, f.owner] for f in raised.frames],
        }
        for raised in chain
    ]


def evidence_json(evidence: Iterable[Evidence]) -> list[Json]:
    """Return evidence as a record holds it."""
    return [{"kind": one.kind, **one.facts} for one in evidence]


def chain_from(told: object) -> tuple[Raised, ...]:
    """Read a chain; what is not of its form is left out, nothing is raised."""
    return tuple(
        Raised(
            type=_text(one.get("type")),
            message=_text(one.get("message")),
            link=cast("Link", _text(one.get("link")) or "raised"),
            frames=tuple(_frames(one.get("frames"))),
        )
        for one in _dicts(told)
    )


def evidence_from(told: object) -> tuple[Evidence, ...]:
    """Read evidence; what is not of its form is left out, nothing is raised."""
    return tuple(
        Evidence(kind, {key: value for key, value in one.items() if key != "kind"})
        for one in _dicts(told)
        if isinstance(kind := one.get("kind"), str)
    )


def failure_from(line: Mapping[str, Any]) -> Failure | None:
    """Read the failure of a ``test`` or ``collect`` line, None where it tells of none."""
    outcome = line.get("outcome")
    nodeid = line.get("nodeid")
    if outcome not in _FAILED or not isinstance(nodeid, str):
        return None
    phase = line.get("phase")
    known = cast("Phase", phase if phase in _PHASES else "call")
    return Failure(
        nodeid=nodeid,
        file=_text(line.get("file")) or nodeid.partition("::")[0],
        phase=known,
        outcome="failed" if known == "call" else "error",
        message=_text(line.get("message")),
        chain=chain_from(line.get("chain")),
        evidence=evidence_from(line.get("evidence")),
        text=_text(line.get("text")),
        worker=_text(line.get("worker")) or "master",
        order=_whole(line.get("order"), -1),
        attempt=_whole(line.get("attempt"), 1),
        final=outcome != "rerun",
        subtest=_text(line.get("subtest")),
        seconds=_seconds(line.get(known)),
    )


def _frames(told: object) -> Iterable[Frame]:
    for one in told if isinstance(told, list) else ():
        match one:
            case [str() as path, int() as line, str() as function, str() as text, str() as owner]:
                yield Frame(path, line, function, text, cast("Owner", owner))


def _dicts(told: object) -> Iterable[dict[str, Any]]:
    return (one for one in told if isinstance(one, dict)) if isinstance(told, list) else ()


def _text(told: object) -> str:
    return told if isinstance(told, str) else ""


def _whole(told: object, otherwise: int) -> int:
    return told if isinstance(told, int) and not isinstance(told, bool) else otherwise


def _seconds(told: object) -> float:
    return float(told) if isinstance(told, (int, float)) and not isinstance(told, bool) else 0.0
