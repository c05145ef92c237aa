"""Report logs of pytest (pytest-reportlog): pytest's own reports, one JSON object a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from testkit.core.runs.failure import Failure, Raised
from testkit.triage.sources.evidence import evidence_in, logged
from testkit.triage.sources.json_lines import objects
from testkit.triage.sources.tracebacks import chain_of, named
from testkit.triage.sources.wrapped import unwrapped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from testkit.core.runs.failure import Phase
    from testkit.triage.sources.gathered import Gathered
    from testkit.triage.sources.opening import Opened

__all__ = ["read_report_log"]

_LACKS: Final = (
    (
        "A report log holds neither values nor HTTP exchanges or statements: causes rest on the"
        " drawn tracebacks."
    ),
    "A report log does not tell which tests were deselected.",
)
_INTERRUPTED: Final = 2


def read_report_log(source: Opened, into: Gathered) -> None:
    """Take in one log; reports of other kinds are passed over."""
    into.lacking(*_LACKS)
    attempts: dict[str, int] = {}
    ended = False
    for report in objects(source):
        match report.get("$report_type") or report.get("_report_type"):
            case "SessionFinish":
                ended = True
                if report.get("exitstatus") == _INTERRUPTED:
                    into.cut = "interrupted"
                    into.lacking("The run was interrupted: other tests did not run.")
            case "CollectReport":
                if report.get("outcome") == "failed":
                    _take(report, "collect", 1, into)
            case str() as kind if kind.lower() in {"testreport", "subtestreport"}:
                _take_test(report, attempts, into)
    if not ended:
        into.complete = False
        into.cut = into.cut or "killed"
        into.lacking(
            f"{source.path.name} has no end: the run was killed, or is still going on."
            " Tests that did not run are missing."
        )


def _take_test(report: dict[str, Any], attempts: dict[str, int], into: Gathered) -> None:
    nodeid = report.get("nodeid")
    when = report.get("when")
    if not isinstance(nodeid, str):
        return
    phase = cast("Phase", when if when in {"setup", "teardown"} else "call")
    attempt = attempts.setdefault(nodeid, 1)
    if report.get("outcome") == "rerun":
        into.tested(into.masked(nodeid), "rerun", attempt=attempt)
        attempts[nodeid] = attempt + 1
        return
    _take(report, phase, attempt, into)


def _take(report: dict[str, Any], phase: Phase, attempt: int, into: Gathered) -> None:
    nodeid, outcome = report.get("nodeid"), report.get("outcome")
    if not isinstance(nodeid, str) or outcome not in {"passed", "failed", "skipped"}:
        return
    nodeid = into.masked(nodeid)
    if outcome == "passed" and phase != "call":
        return
    if "wasxfail" in report:
        outcome = "xfailed" if outcome == "skipped" else "xpassed"
    elif outcome == "failed" and phase != "call":
        outcome = "error"
    into.tested(nodeid, outcome, attempt=attempt, reason=into.masked(_reason(report)))
    if outcome in {"failed", "error"}:
        into.failed(_failure(report, nodeid, phase, attempt, into))


def _failure(
    report: dict[str, Any], nodeid: str, phase: Phase, attempt: int, into: Gathered
) -> Failure:
    drawn = report.get("longrepr")
    text = into.masked("\n".join(_drawn(drawn))[-64_000:])
    chain = unwrapped(chain_of(text, root=into.root))
    message = into.masked(_crash(drawn) or text[:4_000])
    if not chain and message:
        chain = unwrapped((Raised(*named(message)),))
    elif chain and (phase == "collect" or chain[0].type.endswith("FixtureLookupError")):
        message = f"{chain[0].type}: {chain[0].message}"
    sections = report.get("sections")
    logs = "\n".join(
        pair[1]
        for pair in (sections if isinstance(sections, list) else ())
        if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], str)  # noqa: PLR2004 - name and text
    )
    duration = report.get("duration")
    worker = report.get("worker_id")
    return Failure(
        nodeid=nodeid,
        file=nodeid.partition("::")[0],
        phase=phase,
        outcome="failed" if phase == "call" else "error",
        message=message[:4_000],
        chain=chain,
        evidence=(*evidence_in(chain, phase), *logged(into.masked(logs[-40_000:]))),
        text=text,
        worker=worker if isinstance(worker, str) else "master",
        attempt=attempt,
        subtest=into.masked(_subtest(report)),
        seconds=float(duration) if isinstance(duration, (int, float)) else 0.0,
    )


def _drawn(told: object) -> Iterator[str]:
    """Draw a serialised traceback again, as pytest draws it."""
    match told:
        case str():
            yield told
        case {"chain": [_, *_] as chain}:
            for link in chain:
                match link:
                    case [dict() as traceback, _, descr]:
                        yield from _entries(traceback)
                        if isinstance(descr, str):
                            yield f"\n{descr}\n"
        case {"reprtraceback": dict() as traceback}:
            yield from _entries(traceback)
        case {"errorstring": str() as message}:
            yield f"E       {message}"
        case [_, _, str() as reason]:
            yield reason


def _entries(traceback: dict[str, Any]) -> Iterator[str]:
    for entry in _dicts(traceback.get("reprentries")):
        data = entry.get("data")
        if not isinstance(data, dict):
            continue
        lines = "\n".join(_texts(data.get("lines")))
        match data.get("reprfileloc"):
            case {"path": str() as path, "lineno": int() as line, "message": message}:
                place = f"{path}:{line}: {message if isinstance(message, str) else ''}"
                short = data.get("style") == "short"
                yield f"{place}\n{lines}" if short else f"{lines}\n\n{place}"
            case _:
                yield (
                    lines if entry.get("type") != "ReprEntryNative" else lines.replace("\n\n", "\n")
                )


def _crash(told: object) -> str:
    match told:
        case {"reprcrash": {"message": str() as message}}:
            return message
        case {"errorstring": str() as message}:
            return message
        case str():
            return told[:4_000]
    return ""


def _reason(report: dict[str, Any]) -> str:
    told = report.get("wasxfail")
    match report.get("longrepr"):
        case [_, _, str() as reason]:
            return reason.removeprefix("Skipped: ")
    return told if isinstance(told, str) else ""


def _subtest(report: dict[str, Any]) -> str:
    match report.get("_subtest.context") or report.get("context"):
        case {"msg": message, "kwargs": dict() as values}:
            shown = [f"{key}={value}" for key, value in values.items()]
            return " ".join([*([str(message)] if message else []), *shown])[:200] or "subtest"
    return ""


def _dicts(told: object) -> Iterable[dict[str, Any]]:
    return (one for one in told if isinstance(one, dict)) if isinstance(told, list) else ()


def _texts(told: object) -> Iterable[str]:
    return (one for one in told if isinstance(one, str)) if isinstance(told, list) else ()
