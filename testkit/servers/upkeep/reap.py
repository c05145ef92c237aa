"""Carrying out a plan of ``verdicts.plan``: each step looks again before it acts."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.servers.containers.images import docker_at
from testkit.servers.ownership.records import is_ours, owner_of, state_of
from testkit.servers.ownership.verdicts import DEAD, State, Step
from testkit.servers.ownership.workshop import DRAFT, discard, made_by, remove_tree, workshop_prefix
from testkit.servers.programs.binaries import ClosedRoadError
from testkit.servers.templates.cache_entries import drop, is_unused
from testkit.system.processes import ProcessIdentity, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["Done", "carry_out", "end"]

# A keeper gives its server five seconds for each of two signals.
_PATIENCE_SECONDS: Final = 12.0
# Postgres gives back its shared memory on SIGQUIT; Redis has nothing to give back.
_SIGNALS: Final = {
    "keeper": signal.SIGTERM,
    "postgres": signal.SIGQUIT,
    "redis": signal.SIGKILL,
}
# What says in its name who made it, and how that name begins.
_NAMED: Final[dict[str, Callable[[], str]]] = {
    "build workshop": workshop_prefix,
    "cache draft": lambda: DRAFT,
}


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was carried out; ``problem`` is why nothing came of it, or None."""

    step: Step
    problem: str | None


def carry_out(steps: Iterable[Step]) -> Iterator[Done]:
    """Do the steps in their order; one that fails does not stop the others."""
    for step in steps:
        try:
            _ACTIONS[step.action](step)
        except OSError as error:
            yield Done(step, error.strerror or str(error))
        else:
            yield Done(step, None)


def end(process: ProcessIdentity, number: signal.Signals, *, patience: float) -> None:
    """End this very process and wait for it; the hard way after ``patience`` seconds.

    Nothing is sent to another process that has its pid now. Raises TimeoutError where it stays.
    """
    for attempt in (number, signal.SIGKILL):
        # The second wakes a process that was stopped, which no other signal reaches.
        _send(process, attempt, signal.SIGCONT)
        deadline = time.monotonic() + patience
        while is_alive(process) and time.monotonic() < deadline:
            time.sleep(0.005)
        if not is_alive(process):
            return
    raise TimeoutError(f"process {process.pid} does not end")


def _send(process: ProcessIdentity, *numbers: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError), _held(process) as send:
        # Looked at while it is held: from here on the pid cannot come to mean another process.
        if is_alive(process):
            for number in numbers:
                send(number)


@contextlib.contextmanager
def _held(process: ProcessIdentity) -> Iterator[Callable[[int], None]]:
    """Give what sends a signal, by a process descriptor where the system has such a thing."""
    try:
        handle = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
    except ProcessLookupError:
        raise
    except OSError:
        handle = -1  # an old kernel, or a sandbox
    if handle == -1:
        yield lambda number: os.kill(process.pid, number)
        return
    try:
        yield lambda number: signal.pidfd_send_signal(handle, number)
    finally:
        os.close(handle)


def _end(step: Step) -> None:
    assert isinstance(step.process, ProcessIdentity)
    end(step.process, _SIGNALS[step.what], patience=_PATIENCE_SECONDS)


def _remove(step: Step) -> None:
    path = Path(step.path)
    if step.what in ("template", "fingerprint"):
        if is_unused(path):
            drop(path)
        return
    if step.what == "container":
        _remove_container(step.path)
        return
    if not os.path.lexists(path):  # its keeper was quicker
        return
    if not is_ours(path) or _state(step.what, path) != DEAD:
        raise OSError("it is not what it was a moment ago")
    # The next run of somebody else sweeps as well: what is gone is no problem.
    with contextlib.suppress(FileNotFoundError):
        if step.what in _NAMED:
            remove_tree(path)
        else:
            discard(path)


def _remove_container(name: str) -> None:
    try:
        address = docker_at(os.environ, Path.home())
    except ClosedRoadError as road:
        raise OSError(road.reason) from road
    ours = import_module("testkit.servers.containers.owned")
    docker = import_module("docker")
    try:
        with contextlib.closing(docker.DockerClient(base_url=address)) as client:
            ours.remove_container(client, name)
    except docker.errors.DockerException as error:
        raise OSError(str(getattr(error, "explanation", None) or error)) from error


def _state(what: str, path: Path) -> State:
    if what in _NAMED:
        return made_by(path.name, _NAMED[what]())[1]
    return state_of(owner_of(path))


# One row for each word of a plan.
_ACTIONS: Final[dict[str, Callable[[Step], None]]] = {"end": _end, "remove": _remove}
