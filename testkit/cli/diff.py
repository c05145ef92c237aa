"""``testkit diff``: what became of the tests from one run to another."""

from __future__ import annotations

import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from testkit.cli.differences import FORMS, Compared
from testkit.cli.judged import judged, read_run, side_of
from testkit.cli.settings import find_settings
from testkit.cli.triage import write_report
from testkit.triage.diff import difference

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["command"]

_LARGEST: Final = 4 << 20


@click.command("diff")
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMS]),
    default="text",
    show_default=True,
    help="What the report is written as.",
)
@click.option("--output", type=click.Path(path_type=Path), help="Write the report to this file.")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
def command(*, form: str, output: Path | None, old: str, new: str) -> None:
    """Compare two runs: what is fixed, new, still failing, moved to another cause, vanished.

    OLD and NEW are run records, JUnit XML or report logs, or the words `last` and `previous`.
    Exit codes: 0 nothing is worse, 1 new failures, or tests that failed and vanished, 2 wrong
    use, 3 the environment failed.
    """
    _, root = find_settings(Path.cwd())
    runs = read_run([old], root), read_run([new], root)
    causes = judged(runs[0]), judged(runs[1])
    found = difference(
        side_of(runs[0], causes[0]), side_of(runs[1], causes[1]), stands=_stands_in(root)
    )
    write_report(
        FORMS[form](Compared(found, *causes, same_form=runs[0].forms == runs[1].forms)), output
    )
    if found.worse:
        sys.exit(1)


def _stands_in(root: Path) -> Callable[[str], bool]:
    """Return what tells whether the function of a node id stands in the project's files."""

    @lru_cache(maxsize=256)
    def text(file: str) -> str:
        path = root / file
        try:
            if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
                return ""
            return path.read_text("utf-8", "replace") if path.stat().st_size < _LARGEST else ""
        except (OSError, ValueError):
            return ""

    @lru_cache(maxsize=256)
    def functions(file: str) -> frozenset[str]:
        return frozenset(re.findall(r"\bdef (\w+)", text(file)))

    def stands(nodeid: str) -> bool:
        file, _, rest = nodeid.partition("::")
        if not rest:  # a module that could not be collected
            return bool(text(file))
        name = rest.partition("[")[0].rpartition("::")[2] or rest.partition("[")[0]
        return name in functions(file)

    return stands
