"""``testkit doctor --fix`` and ``--diff``: what is rewritten, what is put back, what is told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from testkit.cli.findings import relative
from testkit.reports.texts import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from testkit.doctor.rewriting.plan import Rewrite
    from testkit.doctor.static.check import Reading

__all__ = ["carry_out", "show"]


def show(reading: Reading) -> bool:
    """Print what ``--fix`` would write, as a diff; return whether anything was found at all.

    What is told besides goes to standard error. The reading is of the new texts afterwards.
    """
    from testkit.doctor.rewriting.plan import plan

    count = len(reading.findings())
    rewrites, refused = plan(reading)
    _print_diff(rewrites)
    _tell_refused(refused)
    _tell(f"--fix would rewrite {_counted(rewrites)}", len(reading.findings()))
    return count > 0


def carry_out(reading: Reading, *, diff: bool, verify: bool) -> None:
    """Rewrite what rules can mend, and tell of it on standard error, with a ``diff`` on the other.

    What makes the suite worse is put back: with fewer tests collected, and where it is to
    ``verify`` with a test that passed before and does not now. The reading is of what stands in
    the files afterwards.
    """
    from testkit.doctor.rewriting.plan import plan
    from testkit.doctor.rewriting.suite import ask, worse
    from testkit.doctor.rewriting.writing import write

    rewrites, refused = plan(reading)
    if rewrites:
        asked = partial(ask, reading.root, "run" if verify else "collect")
        before = asked()
        if before.problem:
            _say(f"nothing to compare with: {printable(before.problem)}")
        # A test that fails now and then is no reason: what is worse must be worse twice.
        kept, put_back = write(rewrites, lambda: worse(before, asked()) and worse(before, asked()))
        for rewrite in rewrites:
            if rewrite.path in put_back:
                reading.take(rewrite.path, rewrite.source.text)
        rewrites, refused = kept, refused | put_back
    if diff:
        _print_diff(rewrites)
    _tell_refused(refused)
    _tell(f"rewrote {_counted(rewrites)}", len(reading.findings()))


def _print_diff(rewrites: Sequence[Rewrite]) -> None:
    from testkit.doctor.rewriting.plan import diff_of

    for rewrite in rewrites:
        click.echo(diff_of(rewrite, relative(rewrite.path)), nl=False)


def _tell_refused(refused: Mapping[str, str]) -> None:
    for path, reason in sorted(refused.items()):
        _say(f"{printable(relative(path))} is left as it is: {printable(reason)}")


def _tell(what: str, left: int) -> None:
    _say(f"{what}; {left} {'is' if left == 1 else 'are'} left for a person" if left else what)


def _counted(rewrites: Sequence[Rewrite]) -> str:
    count = sum(len(rewrite.findings) for rewrite in rewrites)
    findings = "1 finding" if count == 1 else f"{count} findings"
    return f"{findings} in {len(rewrites)} {'file' if len(rewrites) == 1 else 'files'}"


def _say(text: str) -> None:
    click.echo(f"testkit: {text}", err=True)
