"""Whose something is, and what may go: decisions from facts, without a look at the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "DEAD",
    "IN_USE",
    "KEPT_SECONDS",
    "UNJUDGED",
    "CacheEntry",
    "Inventory",
    "Leftover",
    "Server",
    "State",
    "Step",
    "judge",
    "plan",
]

State = Literal["in use", "left by a dead owner", "not ours to judge"]
IN_USE: Final[State] = "in use"
DEAD: Final[State] = "left by a dead owner"
UNJUDGED: Final[State] = "not ours to judge"
KEPT_SECONDS: Final = 30 * 24 * 3600


class Identity(Protocol):
    """A process as ``testkit.system.processes`` identifies it; compared as a whole."""

    @property
    def pid(self) -> int:
        """Return the number of the process."""

    @property
    def boot(self) -> str:
        """Return the boot of the machine in which the number means this process."""

    @property
    def namespace(self) -> str:
        """Return the pid namespace in which it does."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. ``url`` holds no password; ``facts`` is the private file that has it.

    ``pid`` is the keeper's. ``run`` is the token of the run that started it, ``started_by`` the
    command behind that run, ``project`` the root in which it was called; both are empty where the
    run did not say.
    """

    kind: Literal["postgres", "redis"]
    backend: str
    version: str
    reason: str
    url: str
    pid: int | None
    container: str | None
    owner_pid: int
    state: State
    started: str
    directory: str
    run: str
    worker: str
    project: str
    started_by: str
    keeper: Identity | None = None
    facts: str = ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """A directory, a process or a container that goes with its owner.

    ``run`` is empty where no run made it. ``path`` is, of a process (a keeper, or a server without
    one), the directory that it works for and, of a container, its name.
    """

    kind: Literal[
        "run directory",
        "data",
        "build workshop",
        "cache draft",
        "container",
        "keeper",
        "postgres",
        "redis",
    ]
    path: str
    owner_pid: int | None
    age_seconds: int
    state: State
    run: str = ""
    process: Identity | None = None


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """Something that the cache keeps for the next run, and how long nobody has used it."""

    kind: Literal["template", "fingerprint"]
    path: str
    unused_seconds: int


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything that testkit has on this machine for this user."""

    servers: tuple[Server, ...] = ()
    leftovers: tuple[Leftover, ...] = ()
    cached: tuple[CacheEntry, ...] = ()

    def without_server(self) -> tuple[Leftover, ...]:
        """Return the leftovers that no running server explains."""
        running = {server.run for server in self.servers}
        return tuple(left for left in self.leftovers if not left.run or left.run not in running)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: end a process, or remove what lies at ``path``."""

    action: Literal["end", "remove"]
    what: str
    path: str
    why: str
    process: Identity | None = None


def judge(owner: Identity | None, found: Identity | None, here: tuple[str, str]) -> State:
    """Return the state of what names ``owner``; ``found`` is who has the owner's pid now.

    ``here`` are this boot and this pid namespace: the pid of another container means nothing here,
    unless the machine was started anew since then.
    """
    if owner is None:
        return UNJUDGED
    boot, namespace = here
    if owner.boot != boot:
        return DEAD
    if owner.namespace != namespace:
        return UNJUDGED
    return IN_USE if owner == found else DEAD


def plan(inventory: Inventory) -> tuple[Step, ...]:
    """Return what to do so that nothing of a dead owner is left: first all ends, then removals.

    Nothing in use is touched, and nothing that cannot be judged.
    """
    return (*_ends(inventory), *_removals(inventory))


def _ends(inventory: Inventory) -> Iterator[Step]:
    keepers = [
        Step("end", "keeper", server.directory, _gone(server.owner_pid), server.keeper)
        for server in inventory.servers
        if server.state == DEAD and server.keeper is not None
    ]
    others = [
        Step("end", left.kind, left.path, _gone(left.owner_pid), left.process)
        for left in inventory.leftovers
        if left.state == DEAD and left.process is not None
    ]
    # A keeper may be known by its facts and by its command line. Keepers go first: they end their
    # servers as those want to be ended.
    known = {step.process: step for step in (*others, *keepers)}
    yield from sorted(known.values(), key=lambda step: step.what != "keeper")


def _removals(inventory: Inventory) -> Iterator[Step]:
    dead = [left for left in inventory.leftovers if left.state == DEAD and left.process is None]
    # The run directory goes last: while it is there, it says whose the data is.
    for left in _ordered(dead):
        yield Step("remove", left.kind, left.path, _gone(left.owner_pid))
    for entry in inventory.cached:
        if entry.unused_seconds > KEPT_SECONDS:
            days = entry.unused_seconds // (24 * 3600)
            yield Step("remove", entry.kind, entry.path, f"not used for {days} days")


def _ordered(leftovers: Iterable[Leftover]) -> list[Leftover]:
    return sorted(leftovers, key=lambda left: (left.kind == "run directory", left.kind, left.path))


def _gone(pid: int | None) -> str:
    if pid is None:
        return "its directory and its keeper are gone"
    return f"its owner, process {pid}, is gone"
