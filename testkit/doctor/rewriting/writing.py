"""Rewrites put into files; those that make the suite worse are put back, and named."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from testkit.doctor.static.sources import write_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testkit.doctor.rewriting.plan import Rewrite

__all__ = ["write"]


def write(
    rewrites: Sequence[Rewrite], judge: Callable[[], str]
) -> tuple[list[Rewrite], dict[str, str]]:
    """Write the files; return those that stay, and by path why others were put back.

    ``judge`` says what is worse than before, "" for nothing. It is asked once where all is well;
    else for halves, and for each half of what is worse, so that what stays holds together.
    A file that changed meanwhile is left as it is. Whatever ends this early puts all of it back.
    """
    kept: list[Rewrite] = []
    refused: dict[str, str] = {}
    try:
        _try(list(rewrites), judge, kept, refused)
    except BaseException:
        _restore(kept)
        raise
    return kept, refused


def _try(
    rewrites: list[Rewrite], judge: Callable[[], str], kept: list[Rewrite], refused: dict[str, str]
) -> None:
    if not rewrites:
        return
    written: list[Rewrite] = []
    try:
        for each in rewrites:
            try:
                if Path(each.path).read_bytes() != each.source.data:
                    refused[each.path] = "it changed while this ran"
                    continue
                write_bytes(Path(each.path), each.data)
            except OSError as error:
                refused[each.path] = f"it cannot be written: {error}"
                continue
            written.append(each)
        problem = judge() if written else ""
    except BaseException:
        _restore(written)
        raise
    if not problem:
        kept += written
        return
    _restore(written)
    if len(written) == 1:
        refused[written[0].path] = problem
        return
    half = len(written) // 2
    for part in (written[:half], written[half:]):
        _try(part, judge, kept, refused)


def _restore(rewrites: Sequence[Rewrite]) -> None:
    for each in rewrites:
        if Path(each.path).read_bytes() == each.data:  # not what somebody wrote meanwhile
            write_bytes(Path(each.path), each.source.data)
