"""Reading whose a directory is, from files that nobody else can have written."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from testkit.servers.ownership.verdicts import State, judge
from testkit.system.files import ordinary_user
from testkit.system.processes import ProcessIdentity, here, identify, is_alive

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "OWNER",
    "STANDING",
    "is_ours",
    "owner_in",
    "owner_of",
    "owner_text",
    "read_facts",
    "run_prefix",
    "state_in",
    "state_of",
    "to_identity",
]

OWNER: Final = "owner.json"
#: The file in each directory of servers that `testkit up` left; ``keepers`` are their identities.
STANDING: Final = "up.json"
_SHAPE: Final = {"pid": int, "started": str, "boot": str, "namespace": str}
_MOST_BYTES: Final = 1 << 20  # facts have a few hundred


def run_prefix() -> str:
    """Return how the name of a run's directory begins; its token follows."""
    return f"testkit-{os.geteuid()}-"


def is_ours(directory: Path) -> bool:
    """Return whether it is a directory, no link to one, and belongs to us or our servers' user."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid in {os.geteuid(), ordinary_user()}


def read_facts(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in a plain file that we wrote; None for anything else."""
    try:
        # Whoever put a pipe in its place must not make us wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return None
        facts = json.loads(os.read(descriptor, _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    finally:
        os.close(descriptor)
    return facts if isinstance(facts, dict) else None


def owner_of(directory: Path) -> ProcessIdentity | None:
    """Return the owner that the directory itself names, or None where it names none.

    Servers that stay belong to their keepers: to the first that lives, where there is one.

    Age or a missing counterpart prove nothing: another run may use another TMPDIR. Nor does an
    owner of another shape: another version of testkit may have written it.
    """
    if not is_ours(directory):
        return None
    named = to_identity(read_facts(directory / OWNER))
    return next((keeper for keeper in _keepers(directory) if is_alive(keeper)), named)


def _keepers(directory: Path) -> list[ProcessIdentity]:
    keepers = (read_facts(directory / STANDING) or {}).get("keepers")
    found = map(to_identity, keepers if isinstance(keepers, list) else ())
    return [keeper for keeper in found if keeper is not None]


def to_identity(facts: object) -> ProcessIdentity | None:
    """Return the identity in facts of just that shape, else None."""
    if not isinstance(facts, dict) or facts.keys() != _SHAPE.keys():
        return None
    # JSON's true is an int for Python, and a pid for nobody.
    if any(type(facts[name]) is not kind for name, kind in _SHAPE.items()):
        return None
    return ProcessIdentity(**facts)


def owner_text(owner: ProcessIdentity) -> str:
    """Return the identity as text, to be left with what the process owns elsewhere."""
    return json.dumps(asdict(owner))


def owner_in(text: str) -> ProcessIdentity | None:
    """Return the owner that ``owner_text`` wrote down, or None where the text has another form."""
    try:
        return to_identity(json.loads(text))
    except (ValueError, RecursionError):
        return None


def state_in(text: str) -> State:
    """Return what became of the owner that ``owner_text`` wrote down."""
    return state_of(owner_in(text))


def state_of(owner: ProcessIdentity | None) -> State:
    """Return whether that owner is alive, gone, or cannot be judged from here."""
    return judge(owner, None if owner is None else identify(owner.pid), here())
