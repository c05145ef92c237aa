"""Where the cache is."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from testkit.core.messages import TestkitError
from testkit.core.options import variable
from testkit.system.files import ordinary_user, private_directory

if TYPE_CHECKING:
    from testkit.core.options import Settings

__all__ = ["cache_directory", "known_caches"]


def cache_directory(settings: Settings) -> tuple[Path, str | None]:
    """Return the cache directory, and a note where the usual place could not be used.

    Raises TK104 where the configured place cannot be used, TK105 where a place is not private.
    """
    # Root's servers run as nobody and read binaries from here: that user must pass through.
    mode = 0o700 if ordinary_user() is None else 0o711
    if settings.cache_dir is not None:
        path = Path(settings.cache_dir).expanduser().absolute()
        try:
            _probe(private_directory(path, mode=mode))
        except OSError as error:
            source = settings.sources.get("cache_dir", variable("cache_dir"))
            reason = error.strerror
            if isinstance(error, (FileExistsError, NotADirectoryError)):
                reason = "a part of this path is a file"
            raise TestkitError("TK104", path=path, reason=reason, source=source) from error
        return path, None
    try:
        path = _usual_place()
        _probe(private_directory(path, mode=mode))
    except (OSError, RuntimeError) as error:  # RuntimeError: no home directory at all
        spare = _spare_place()
        _probe(private_directory(spare, mode=mode))
        return spare, f"cache in {spare}: the usual place cannot be used ({error})"
    return path, None


def known_caches(settings: Settings) -> tuple[Path, ...]:
    """Return where ``cache_directory`` may have found a place before; none need be there."""
    if settings.cache_dir is not None:
        return (Path(settings.cache_dir).expanduser().absolute(),)
    with contextlib.suppress(RuntimeError):
        return _usual_place(), _spare_place()
    return (_spare_place(),)


def _spare_place() -> Path:
    return Path(tempfile.gettempdir()) / f"testkit-cache-{os.geteuid()}"


def _usual_place() -> Path:
    if os.geteuid() == 0 and sys.platform == "linux":
        return Path("/var/cache/testkit")
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/testkit"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "testkit"


def _probe(directory: Path) -> None:
    with tempfile.TemporaryFile(dir=directory):
        pass
