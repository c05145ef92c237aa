"""Processes that a dead run left: keepers, and servers whose keeper was killed (Linux only).

Elsewhere a process does not say where it works; there keepers are known by the facts in the run's
directory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from testkit.servers.ownership.records import run_prefix
from testkit.servers.ownership.verdicts import DEAD, Leftover
from testkit.servers.ownership.workshop import workshop_prefix
from testkit.servers.programs import keeper
from testkit.system.files import ordinary_user
from testkit.system.processes import here, identify

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["find_strays"]

Kind = Literal["keeper", "postgres", "redis"]
_SERVERS: Final[dict[str, Kind]] = {
    "postgres": "postgres",
    "valkey-server": "redis",
    "redis-server": "redis",
}
_DELETED: Final = " (deleted)"
_KEEPER: Final = Path(keeper.__file__).name


def find_strays(leftovers: Sequence[Leftover]) -> tuple[Leftover, ...]:
    """Return the keepers of dead runs among these, and server programs that nobody watches.

    Such a server works below a dead owner's directory; or below one of ours that was removed (the
    next run sweeps), and no keeper is its parent. A shell that somebody opened there is neither. Of
    the processes of one Postgres only the first is named, which ends the others.
    """
    if sys.platform != "linux":
        return ()
    found: dict[int, tuple[int, Leftover]] = {}
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):  # it ended, or is not ours to look at
            if (stray := _stray(path, leftovers)) is not None:
                found[int(path.name)] = (_parent(path), stray)
    servers = {pid for pid, (_, stray) in found.items() if stray.kind != "keeper"}
    return tuple(stray for parent, stray in found.values() if parent not in servers)


def _stray(process: Path, leftovers: Sequence[Leftover]) -> Leftover | None:
    user, namespace = process.stat().st_uid, str((process / "ns/pid").readlink())
    if user not in {os.geteuid(), ordinary_user()} or namespace != here()[1]:
        return None
    identity = identify(int(process.name))
    found = _kept_for(process, leftovers) or _serving(process, leftovers)
    # Asked again: what was read in between is that of this very process.
    if found is None or identity is None or identity != identify(identity.pid):
        return None
    return dataclasses.replace(found, process=identity)


def _kept_for(process: Path, leftovers: Sequence[Leftover]) -> Leftover | None:
    label = _keeper_label(process)
    for left in leftovers:
        if left.state == DEAD and left.run and label == f"{run_prefix()}{left.run}":
            return dataclasses.replace(left, kind="keeper")
    return None


def _serving(process: Path, leftovers: Sequence[Leftover]) -> Leftover | None:
    kind = _SERVERS.get((process / "exe").readlink().name.removesuffix(_DELETED))
    if kind is None:
        return None
    folder = str((process / "cwd").readlink())
    for left in leftovers:
        if left.state == DEAD and f"{folder.removesuffix(_DELETED)}/".startswith(f"{left.path}/"):
            return dataclasses.replace(left, kind=kind)
    run = _removed_run(folder)
    living = {left.run for left in leftovers if left.run and left.state != DEAD}
    if run is None or run in living or _keeper_label(Path(f"/proc/{_parent(process)}")):
        return None
    return Leftover(kind, folder.removesuffix(_DELETED), None, 0, DEAD, run)


def _removed_run(folder: str) -> str | None:
    """Return the token of the run whose directory this was; None where it is there, or not ours.

    The token is empty where a workshop was removed.
    """
    if not folder.endswith(_DELETED):
        return None
    for name in Path(folder.removesuffix(_DELETED)).parts[-2:]:  # the data, or a server's directory
        if name.startswith((run_prefix(), workshop_prefix())):
            # What is being removed has the run's name behind that of its remover.
            return name.rpartition(run_prefix())[2] if run_prefix() in name else ""
    return None


def _keeper_label(process: Path) -> str | None:
    """Return the name that a keeper was given by ``PreparedKeeper``, None for another process."""
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except FileNotFoundError:  # the parent may be outside of this container
        return None
    script, label = [*words[-2:], "", ""][:2]
    return label if Path(script).name == _KEEPER else None


def _parent(process: Path) -> int:
    stat = (process / "stat").read_text()
    return int(stat[stat.rindex(")") + 2 :].split()[1])
