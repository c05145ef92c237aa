"""Which files a RUN of the command line means: paths, and the words ``last`` and ``previous``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.record.files import records

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["files_of", "recorded"]

_BACK: Final = {"last": -1, "previous": -2}


def files_of(runs: Iterable[str], root: Path) -> list[Path]:
    """Return the files that are meant, each once, in order; of nothing: the last record.

    A file that is named ``last`` is reached as ``./last``. Raises TK704 where there are not
    enough records.
    """
    found: list[Path] = []
    for run in list(runs) or ["last"]:
        if run in _BACK:
            records = recorded(root)
            if len(records) < -_BACK[run]:
                raise TestkitError("TK704", which=run, root=root)
            found.append(records[_BACK[run]])
        else:
            found.append(Path(run))
    return list(dict.fromkeys(found))


def recorded(root: Path) -> list[Path]:
    """Return the records of the project, oldest first: their names begin with their time."""
    return records(root)[::-1]
