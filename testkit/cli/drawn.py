"""Who drew a value, by the logs of the project."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.cli.tables import text_table
from testkit.core.draw_forms import counts_in
from testkit.core.messages import TestkitError
from testkit.system.draw_log import read_logs
from testkit.system.project_folder import folder_in, root_above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.system.draw_log import LoggedProcess

__all__ = ["who_drew"]

_HEADINGS: Final = ("DRAWN BY", "WORKER", "AT (UTC)", "SPACE", "VALUE")


@dataclass(frozen=True, slots=True)
class _Draw:
    at: float
    doing: str
    worker: str
    space: str
    value: str


def who_drew(value: str) -> str:
    """Return a table of everybody who drew the value, the newest first.

    Of texts the time is that of the test's first draw. Raises TK412 where nobody
    is known.
    """
    root = root_above(Path.cwd(), "draws") or Path.cwd()
    folder = folder_in(root, "draws")
    found = {draw for process in read_logs(folder) for draw in _draws_in(value, process)}
    if not found:
        raise TestkitError("TK412", value=value, place=folder)
    newest_first = sorted(found, key=lambda draw: (-draw.at, draw.doing, draw.value))
    return text_table(_HEADINGS, [_row(draw) for draw in newest_first])


def _draws_in(value: str, process: LoggedProcess) -> Iterator[_Draw]:
    for count in counts_in(value, process.token):
        if (by := process.drawer(count)) is not None:
            name = f"{process.token}-{count:04d}"
            yield _Draw(by.at, by.doing, process.worker, "", name)
    alone = value.strip().casefold()
    for number in process.numbers:
        if alone == number.text.casefold():
            yield _Draw(number.at, number.doing, process.worker, number.space, number.text)


def _row(draw: _Draw) -> tuple[str, ...]:
    at = datetime.fromtimestamp(draw.at, UTC)
    doing = draw.doing or "(outside of tests)"
    return doing, draw.worker, f"{at:%Y-%m-%d %H:%M:%S}", draw.space or "-", draw.value
