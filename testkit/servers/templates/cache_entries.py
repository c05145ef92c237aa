"""What the cache keeps from run to run: templates and fingerprints, until nobody wants them."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from testkit.servers.ownership.verdicts import KEPT_SECONDS, CacheEntry
from testkit.servers.ownership.workshop import DRAFT, maker, remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["CLUSTERS", "drop", "entries", "is_unused"]

CLUSTERS: Final = "clusters"
_FINGERPRINTS: Final = "fingerprints"
_FACTS: Final = "cluster.json"  # its time of change says when the template was last used


def entries(cache: Path) -> Iterator[CacheEntry]:
    """Yield what is kept in a cache directory, which need not be there."""
    for facts in sorted((cache / CLUSTERS).glob(f"[!.]*/{_FACTS}")):
        if (unused := _unused_seconds(facts)) is not None:
            yield CacheEntry("template", str(facts.parent), unused)
    for note in sorted((cache / _FINGERPRINTS).glob("*.json")):
        if (unused := _unused_seconds(note)) is not None:
            yield CacheEntry("fingerprint", str(note), unused)


def is_unused(path: Path) -> bool:
    """Return whether, right now, nobody has used this entry for ``KEPT_SECONDS``."""
    unused = _unused_seconds(path / _FACTS if path.is_dir() else path)
    return unused is not None and unused > KEPT_SECONDS


def drop(path: Path) -> None:
    """Remove an entry; a template disappears at once and whole. Raises OSError."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    gone = path.with_name(f"{DRAFT}{maker()}-{path.name}")
    with contextlib.suppress(FileNotFoundError):  # another run collects, too
        path.rename(gone)
        remove_tree(gone)


def _unused_seconds(file: Path) -> int | None:
    try:
        return int(time.time() - file.stat().st_mtime)
    except OSError:
        return None
