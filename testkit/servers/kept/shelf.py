"""The folder in which the databases of failed tests are kept: ``.testkit/kept`` of the project.

Below it one folder for each test, named after it, with the dump and ``facts.json``. A test that
fails again replaces what was kept of it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from testkit.core.messages import TestkitError
from testkit.core.naming import folder_name
from testkit.servers.ownership.workshop import DRAFT, maker, sweep
from testkit.system import project_folder
from testkit.system.files import locked, publish, write_private
from testkit.system.project_folder import folder_in, make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["Contents", "Kept", "Origin", "choose", "kept_in", "put", "root_above", "superfluous"]

_SHELF: Final = "kept"
_DUMP: Final = "database.dump"
_FACTS: Final = "facts.json"
#: Runs of which something stays, the newest; and bytes, which the newest run alone may exceed.
MOST_RUNS: Final = 5
MOST_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Origin:
    """Which test it was: ``phase`` is where it failed (setup, call, teardown), ``run`` a token."""

    nodeid: str
    phase: str
    run: str
    worker: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a server needs to restore the dump, and the version of the pg_dump that made it.

    ``roles`` are those that own something in it or are granted something.
    """

    server_version: str
    dumped_by: str
    extensions: tuple[str, ...]
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """One kept database; ``at`` is a Unix time, ``size`` the bytes of the dump."""

    origin: Origin
    contents: Contents
    folder: Path
    at: float
    size: int

    @property
    def nodeid(self) -> str:
        """Return the name of the test, as pytest writes it."""
        return self.origin.nodeid

    @property
    def dump(self) -> Path:
        """Return the file that pg_restore reads."""
        return self.folder / _DUMP


def put(root: Path, origin: Origin, write: Callable[[Path], Contents]) -> None:
    """Keep what ``write`` writes into the file that it is given; remove what is too old to stay.

    Raises what ``write`` raises, OSError where there is no room or no folder can be made, TK105
    where the folder is a link or somebody else's. Then nothing new is there.
    """
    shelf = make_folder(root, _SHELF)
    sweep(shelf, DRAFT)
    draft = Path(tempfile.mkdtemp(prefix=f"{DRAFT}{maker()}-", dir=shelf))
    try:
        contents = write(draft / _DUMP)
        facts = {"origin": dataclasses.asdict(origin), "contents": dataclasses.asdict(contents)}
        write_private(draft / _FACTS, json.dumps(facts))
        with locked(shelf / ".lock"):
            final = shelf / folder_name(origin.nodeid)
            if os.path.lexists(final):
                shutil.rmtree(final)
            publish(draft, final)
            for old in superfluous(kept_in(root)):
                shutil.rmtree(old.folder, ignore_errors=True)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def kept_in(root: Path) -> list[Kept]:
    """Return what is kept below a project's root, the newest first."""
    found = []
    for folder in folder_in(root, _SHELF).glob("[!.]*/"):
        # Another run may be replacing it; another version may have written it.
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            found.append(_read(folder))
    return sorted(found, key=lambda kept: (-kept.at, kept.nodeid))


def root_above(start: Path) -> Path | None:
    """Return the nearest folder, from ``start`` upwards, below which databases are kept."""
    return project_folder.root_above(start, _SHELF)


def superfluous(kept: Iterable[Kept]) -> list[Kept]:
    """Return what is not to stay: more than the newest runs, and what is too much in bytes."""
    newest_first = sorted(kept, key=lambda each: -each.at)
    runs = list(dict.fromkeys(each.origin.run for each in newest_first))
    gone, bytes_so_far = [], 0
    for each in newest_first:
        bytes_so_far += each.size
        place = runs.index(each.origin.run)
        if place >= MOST_RUNS or (place and bytes_so_far > MOST_BYTES):
            gone.append(each)
    return gone


def choose(kept: Sequence[Kept], wanted: str, place: Path) -> Kept:
    """Return the one of that nodeid, else the only one whose nodeid ends so, else holds it.

    Raises TK352 where there is none, TK353 where there are several.
    """
    tests: tuple[Callable[[str], bool], ...] = (
        lambda nodeid: nodeid == wanted,
        lambda nodeid: nodeid.endswith(f"::{wanted}"),
        lambda nodeid: nodeid.endswith(wanted),
        lambda nodeid: wanted in nodeid,
    )
    for fits in tests:
        found = [each for each in kept if fits(each.nodeid)]
        if len(found) == 1:
            return found[0]
        if found:
            raise TestkitError("TK353", wanted=wanted, kept=_listed(found), place=place)
    raise TestkitError("TK352", wanted=wanted, kept=_listed(kept) or "(nothing)", place=place)


def _listed(kept: Iterable[Kept]) -> str:
    return "\n".join(each.nodeid for each in kept)


def _read(folder: Path) -> Kept:
    facts = json.loads((folder / _FACTS).read_text("utf-8"))
    # The file's own time: a test may have stopped the clock.
    found = (folder / _DUMP).stat()
    contents: dict[str, Any] = facts["contents"]
    lists = {name: tuple(contents[name]) for name in ("extensions", "roles")}
    return Kept(
        Origin(**facts["origin"]),
        Contents(**contents | lists),
        folder,
        found.st_mtime,
        found.st_size,
    )
