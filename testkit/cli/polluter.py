"""``testkit polluter``: which earlier tests make one fail."""

from __future__ import annotations

import json
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from testkit.cli.settings import find_settings
from testkit.core.messages import TestkitError
from testkit.proof.narrowing import narrowed
from testkit.proof.replay import replay
from testkit.record.files import records
from testkit.reports.texts import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["command"]

Verdict = Literal["found", "alone", "not reproduced", "flaky"]
_REPEATS: Final = 3
_SIGNALLED: Final = 128
_IN_ORDER: Final = ("-p", "no:randomly", "-p", "no:xdist")
_NONE: Final[Mapping[Verdict, str]] = {
    "alone": "It fails alone: no other test is needed for it.",
    "not reproduced": "It passes behind all tests of the record: not reproduced, so none is found.",
    "flaky": "It fails behind the same tests not each time: it is flaky, none is found.",
}


@click.command("polluter")
@click.option("--run", "run", type=click.Path(path_type=Path), help="The record to replay.")
@click.option("--most", type=click.IntRange(min=3), default=100, show_default=True, metavar="N")
@click.option("--timeout", type=click.FloatRange(min=1), default=600.0, show_default=True)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.argument("nodeid")
def command(*, run: Path | None, most: int, timeout: float, form: str, nodeid: str) -> None:
    """Find which earlier tests make NODEID fail, by running parts of the recorded order.

    The order is that of the last record in which it failed, on the same worker. --most bounds the
    experiments, --timeout the seconds of each. Exit codes: 0 none found, 1 found, 2 wrong use,
    3 the environment failed.
    """
    _, root = find_settings(Path.cwd())
    before = _before(nodeid, [run] if run else records(root))
    for number in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C does: the experiment ends with us.
        signal.signal(number, lambda number, _frame: sys.exit(_SIGNALLED + number))
    began = time.monotonic()
    done = 0

    def fails(part: list[str]) -> bool:
        nonlocal done
        if done >= most:
            raise TestkitError("TK741", most=most)
        done += 1
        started = time.monotonic()
        outcome = replay(root, [*part, nodeid], timeout=timeout)
        seconds = time.monotonic() - started
        click.echo(f"{done}: behind {len(part)} tests: {outcome}, {seconds:.1f} s", err=True)
        return outcome == "failed"

    verdict, found = _judged(before, fails)
    answer = {
        "version": 1,
        "nodeid": nodeid,
        "verdict": verdict,
        "polluters": found,
        "command": ["pytest", *_IN_ORDER, *found, nodeid] if found else [],
        "experiments": done,
        "seconds": round(time.monotonic() - began, 3),
    }
    click.echo(json.dumps(answer, indent=2) if form == "json" else _text(answer))
    sys.exit(1 if found else 0)


def _judged(before: list[str], fails: Callable[[list[str]], bool]) -> tuple[Verdict, list[str]]:
    if fails([]):
        return "alone", []
    if not before or not any(fails(before) for _ in range(_REPEATS)):
        return "not reproduced", []
    found = narrowed(before, fails)
    # Once more: what came out is one more experiment, not only what was left of many.
    return ("found", found) if fails(found) else ("flaky", [])


def _text(answer: Mapping[str, Any]) -> str:
    if not answer["polluters"]:
        return _NONE[answer["verdict"]]
    lines = [f"{printable(answer['nodeid'])} fails behind:"]
    lines += [f"  {printable(one)}" for one in answer["polluters"]]
    return "\n".join([*lines, printable(shlex.join(answer["command"]))])


def _before(nodeid: str, paths: list[Path]) -> list[str]:
    """Return what ran before the test, in order, in the newest record where it failed."""
    for path in paths:
        places: dict[str, tuple[str, int]] = {}
        has_failed = False
        for line in _tests(path):
            name, worker, order = line.get("nodeid"), line.get("worker"), line.get("order")
            if isinstance(name, str) and isinstance(worker, str) and isinstance(order, int):
                places[name] = worker, order
                has_failed |= name == nodeid and line.get("outcome") in ("failed", "error", "rerun")
        if has_failed:
            worker, last = places[nodeid]
            earlier = [n for n, (w, order) in places.items() if w == worker and order < last]
            return sorted(earlier, key=lambda name: places[name][1])
    raise TestkitError("TK740", nodeid=printable(nodeid))


def _tests(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as lines:
            for text in lines:
                try:
                    line = json.loads(text)
                except (ValueError, RecursionError):
                    continue
                if isinstance(line, dict) and line.get("kind") == "test":
                    yield line
    except OSError as error:
        raise TestkitError("TK700", path=path, problem=error.strerror or error) from error
