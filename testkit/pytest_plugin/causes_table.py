"""The end of a red run: a table of causes in place of a line for each failure."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from testkit.core.messages import TestkitError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from testkit.core.runs.failure import Failure

__all__ = ["MOST", "write"]

#: So many failures are kept for the table: of more, the record has the rest.
MOST: Final = 20_000
_FEW: Final = 3
#: What pytest shows where nobody asked: a line for each failure and each error.
_DEFAULT: Final = "fE"


def write(
    terminal: Any,
    config: pytest.Config,
    failures: Sequence[Failure],
    counts: Mapping[str, int],
) -> None:
    """Write the table, and keep pytest from writing its lines.

    A few failures are read faster as pytest writes them, and who asked for lines with ``-r`` has
    them. An error of ours is one line, and pytest's own summary follows.
    """
    asked = getattr(config.option, "reportchars", "") != _DEFAULT
    if len(failures) <= _FEW or asked or getattr(config.option, "no_summary", False):
        return
    try:
        text = _table(terminal, failures, counts)
    except Exception as error:  # noqa: BLE001 - whatever it is, the run's own summary matters more
        problem = f"{type(error).__name__}: {error}"
        terminal.write_line(
            f"testkit: {str(TestkitError('TK760', problem=problem)).splitlines()[0]}"
        )
        return
    terminal.reportchars = "".join(sign for sign in terminal.reportchars if sign not in _DEFAULT)
    terminal.section("causes")
    for line in text.splitlines():
        terminal.write_line(line)


def _table(terminal: Any, failures: Sequence[Failure], counts: Mapping[str, int]) -> str:
    from testkit.reports.rendering import render
    from testkit.triage.triage import triage

    lacks = () if len(failures) < MOST else (f"Only the first {MOST:,} failures are told here.",)
    colour = bool(terminal._tw.hasmarkup) and not os.environ.get("NO_COLOR")  # noqa: SLF001 - pytest has no other word for it
    found = triage(failures, counts=dict(counts), lacks=lacks)
    return render(found, format="text", width=int(terminal._tw.fullwidth), colour=colour)  # noqa: SLF001 - as above
