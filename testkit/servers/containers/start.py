"""Starting a container, kept by a process of its own, and waiting until what is in it answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from testkit.core.messages import TestkitError
from testkit.servers.ownership.records import owner_text
from testkit.servers.programs.launch import ORDER, KeptServer, PreparedKeeper, stop_all, wait_until
from testkit.system.files import private_directory, write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from testkit.core.addresses import Address
    from testkit.servers.containers.images import Image
    from testkit.servers.run import Run
    from testkit.system.processes import ProcessIdentity

__all__ = ["POLL_SECONDS", "start_container", "stopped_on_failure", "wait_for_container"]

POLL_SECONDS: Final = 0.02
_HERE: Final = str(Path(__file__).parents[3])
_MOST_SECONDS: Final = 900.0  # an image may have to be pulled over a slow line
_ANSWER_SECONDS: Final = 60.0  # that what is in the container gets
_TELL_SECONDS: Final = 2.0


def start_container(
    run: Run,
    image: Image,
    what: str,
    address: Address,
    *,
    owners: Sequence[ProcessIdentity],
    inside: int,
    environment: Mapping[str, str],
    command: Sequence[str],
    data: tuple[str, str] | None = None,
    files: Mapping[str, str] | None = None,
) -> KeptServer:
    """Start the process that keeps the container; it belongs to us, and to the run's owner."""
    directory = private_directory(run.made() / what)
    kind = what.partition("-")[0]
    paths = [_HERE, *filter(None, [os.environ.get("PYTHONPATH")])]
    surroundings = {"DOCKER_HOST": image.docker, "PYTHONPATH": os.pathsep.join(paths)}
    with PreparedKeeper(run.directory.name) as keeper:
        order = {
            "image": image.name,
            "docker": image.docker,
            "name": f"{run.directory.name}-{what}",
            "port": address.port,
            "inside": inside,
            "environment": environment,
            "command": command,
            "data": data,
            "files": files or {},
            "labels": {
                # The keeper lives as long as the container may, also when the run's owner is gone.
                "testkit.owner": owner_text(keeper.identity),
                "testkit.run": run.token,
                "testkit.user": str(os.geteuid()),
                "testkit.kind": kind,
            },
        }
        file = directory / ORDER
        write_private(file, json.dumps(order))
        return keeper.launch(
            {"postgres": "Postgres", "redis": "Redis"}[kind],
            [sys.executable, "-m", "testkit.servers.containers.container", str(file)],
            directory=directory,
            owners=owners,
            stop=signal.SIGTERM,
            remove=[directory],
            environment=dict(os.environ) | surroundings,
            patience=30,
        )


def wait_for_container(
    run: Run,
    image: Image,
    kept: KeptServer,
    failure: Callable[[], str | None],
    *,
    seconds: float = _ANSWER_SECONDS,
) -> None:
    """Return when the container runs and its server answers, within ``seconds`` of its start.

    ``failure`` says why the server does not answer, in one line, None when it does; it is asked
    again and again, and may pause.

    Raises TK101, TK107 where the image cannot be had, TK108 where Docker refuses the container.
    """
    began, told, running, last = time.monotonic(), False, 0.0, ""

    def look() -> bool:
        nonlocal told, running, last
        if (kept.directory / "container.json").exists():
            running = running or time.monotonic()
            why = failure()
            last = last if why is None else " ".join(why.split())
            return why is None
        if not told and time.monotonic() - began > _TELL_SECONDS:
            told = True
            pulling = (kept.directory / "pulling").exists()
            words = "pulling" if pulling else "waiting for Docker to start"
            run.progress(f"{words} the image {image.name}")
        time.sleep(POLL_SECONDS)
        return False

    def silent() -> str | None:
        if running and time.monotonic() - running > seconds:
            return f"the container runs, but did not answer for {seconds:g} s ({last})"
        return None

    def problem() -> TestkitError | None:
        try:
            what, reason = json.loads((kept.directory / "problem.json").read_text())
        except OSError:
            return None
        if what == "image":
            return TestkitError("TK107", image=image.name, docker=image.docker, reason=reason)
        return TestkitError("TK108", image=image.name, docker=image.docker, reason=reason)

    wait_until(kept, look, seconds=_MOST_SECONDS, problem=problem, hopeless=silent)


@contextlib.contextmanager
def stopped_on_failure(kept: KeptServer) -> Iterator[None]:
    """Stop the container where what follows its start fails."""
    try:
        yield
    except BaseException:
        stop_all([kept])
        raise
