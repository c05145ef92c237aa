"""What a run stood on: interpreter, platform, commit, installed distributions."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from testkit.core.runs.masking import is_secret_name, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

__all__ = [
    "Commit",
    "commit_of",
    "distributions",
    "masked_arguments",
    "relevant_names",
    "surroundings",
]

#: Seconds for git, which began when the collection did.
_PATIENCE: Final = 1.0
_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_INFO: Final = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(?:-py[\d.]+)?\.(?:dist|egg)-info")
#: Variables that change what tests do: their names are told, never their values.
_RELEVANT: Final = re.compile(
    r"TESTKIT_|PYTEST_|PYTHON|CI$|GITHUB_|GITLAB_|TZ$|LANG$|LC_|DOCKER_HOST|DATABASE_URL"
    r"|REDIS_URL|PG[A-Z]|VIRTUAL_ENV|COVERAGE_|DJANGO_|FLASK_|APP_|ENV"
)


class Commit:
    """What git has checked out, read from its files; whether it was changed, from git itself.

    ``git status`` runs beside the collection, and has ended when ``settle`` returns: a test that
    waits for any child (``os.wait``) must find none but its own.
    """

    def __init__(self, root: Path) -> None:
        self.commit, self.branch = commit_of(root)
        #: Whether files that git knows were changed; None where it did not answer.
        self.dirty: bool | None = None
        self._status: subprocess.Popen[bytes] | None = None
        if self.commit:
            command = ["git", "--no-optional-locks", "status", "--porcelain", "-uno"]
            with contextlib.suppress(OSError):
                self._status = subprocess.Popen(
                    command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )

    def settle(self) -> None:
        """Take git's answer, or end it where it has none within a second; twice is once."""
        status, self._status = self._status, None
        if status is None:
            return
        try:
            told, _ = status.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired:
            status.kill()
            status.communicate()
            return
        except (OSError, ValueError):  # an imported module closed all descriptors
            status.kill()
            status.wait()
            return
        if status.returncode == 0:
            self.dirty = bool(told.strip())


def commit_of(root: Path) -> tuple[str, str]:
    """Return commit and branch of the nearest checkout from ``root`` upwards; "" for unknown.

    Reads git's files: starting git takes longer than many a run's first test.
    """
    for folder in (root, *root.parents):
        found = _git_folder(folder / ".git")
        if found is not None:
            return _head(found)
    return "", ""


def _git_folder(entry: Path) -> Path | None:
    try:
        if entry.is_dir():
            return entry
        text = entry.read_text(errors="replace")  # a worktree's or a submodule's
    except OSError:
        return None
    place = text.partition("gitdir:")[2].strip()
    return (entry.parent / place) if place else None


def _head(folder: Path) -> tuple[str, str]:
    try:
        head = (folder / "HEAD").read_text(errors="replace").strip()
    except OSError:
        return "", ""
    if not head.startswith("ref:"):
        return (head if _HASH.fullmatch(head) else ""), ""
    name = head.partition(":")[2].strip()
    common = folder
    with contextlib.suppress(OSError):
        common = folder / (folder / "commondir").read_text(errors="replace").strip()
    return _ref(common, name), name.removeprefix("refs/heads/")


def _ref(folder: Path, name: str) -> str:
    with contextlib.suppress(OSError):
        found = (folder / name).read_text(errors="replace").strip()
        if _HASH.fullmatch(found):
            return found
    with contextlib.suppress(OSError):
        for line in (folder / "packed-refs").read_text(errors="replace").splitlines():
            commit, _, packed = line.partition(" ")
            if packed == name and _HASH.fullmatch(commit):
                return commit
    return ""


def distributions(folders: Iterable[str] = ()) -> tuple[dict[str, str], str]:
    """Return what is installed, by the names of its folders, and a hash of that.

    Reading the metadata of a hundred distributions takes a tenth of a second; their folders' names
    say the same.
    """
    found: dict[str, str] = {}
    for folder in folders or sys.path:
        if not folder.endswith(("site-packages", "dist-packages")):
            continue
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):  # noqa: PTH208 - names are wanted, not paths
                if match := _INFO.fullmatch(name):
                    found.setdefault(match["name"].lower().replace("_", "-"), match["version"])
    told = dict(sorted(found.items()))
    text = "\n".join(f"{name}=={version}" for name, version in told.items())
    return told, hashlib.sha256(text.encode()).hexdigest()[:16]


def relevant_names(environ: Mapping[str, str]) -> list[str]:
    """Return the names of variables that may change what tests do, sorted."""
    return sorted(name for name in environ if _RELEVANT.match(name))


def masked_arguments(arguments: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return a command line without its secrets: ``--password x`` as well as ``--password=x``."""
    told: list[str] = []
    hides = False
    for one in arguments:
        argument = os.fspath(one)  # pytest.main takes paths, too
        hides_next = argument.startswith("-") and "=" not in argument and is_secret_name(argument)
        told.append("•••" if hides and not argument.startswith("-") else without_secrets(argument))
        hides = hides_next
    return told


def surroundings(**more: Any) -> dict[str, Any]:
    """Return what the ``run`` line tells of the surroundings."""
    installed, digest = distributions()
    return {
        "python": platform.python_version(),
        "platform": f"{sys.platform} {platform.machine()}",
        "distributions": installed,
        "distributions_hash": digest,
        "environment": relevant_names(os.environ),
        **more,
    }
