"""Run a program in a container: ``python -m testkit.servers.containers.inside ORDER``.

The order is a text in JSON: ``docker`` (where Docker is), ``container``, ``command``, ``port`` of
the Postgres in there, and ``files`` (paths here that the command names, which are copied into the
container first). The variables of libpq go along, for a password must not show in a command line.
Output, errors and exit code are the program's; where Docker fails it is 125, as of the program
``docker``.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import docker
import docker.errors

from testkit.core.surroundings import libpq_variables
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["main"]

_NO_CONTAINER: Final = 125
_PLACE: Final = "/tmp"  # noqa: S108 - in the container, which nobody else is in


def main() -> None:
    """Run the program to its end and exit as it did."""
    order: dict[str, Any] = json.loads(sys.argv[1])
    try:
        with contextlib.closing(docker.DockerClient(base_url=order["docker"])) as client:
            raise SystemExit(_run(client, order))
    except docker.errors.DockerException as error:
        sys.stderr.write(f"docker: {' '.join(str(error).split())}\n")
        raise SystemExit(_NO_CONTAINER) from None


def _run(client: docker.DockerClient, order: dict[str, Any]) -> int:
    container = order["container"]
    with _copied(client, container, order["files"]) as copies:
        command = [_replaced(word, copies) for word in order["command"]]
        made = client.api.exec_create(container, command, environment=_variables(order))["Id"]
        for out, err in client.api.exec_start(made, stream=True, demux=True):
            for stream, chunk in ((sys.stdout.buffer, out), (sys.stderr.buffer, err)):
                if chunk:
                    stream.write(chunk)
                    stream.flush()
        return int(client.api.exec_inspect(made)["ExitCode"])


def _variables(order: dict[str, Any]) -> dict[str, str]:
    given = {name: os.environ[name] for name in libpq_variables(os.environ)}
    return given | {"PGHOST": LOOPBACK, "PGPORT": str(order["port"]), "LC_ALL": "C"}


def _replaced(word: str, copies: dict[str, str]) -> str:
    for here, there in copies.items():
        word = word.replace(here, there)
    return word


@contextlib.contextmanager
def _copied(
    client: docker.DockerClient, container: str, files: Sequence[str]
) -> Iterator[dict[str, str]]:
    """Copy files into the container for the time of the block; give their places there."""
    if not files:
        yield {}
        return
    folder = f"testkit-{secrets.token_hex(8)}"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number, file in enumerate(files):
            entry = tarfile.TarInfo(f"{folder}/{number}")
            # Whoever the image's programs run as reads them; nobody else is in there.
            entry.size, entry.mode = Path(file).stat().st_size, 0o644
            with Path(file).open("rb") as content:
                archive.addfile(entry, content)
    client.api.put_archive(container, _PLACE, packed.getvalue())
    try:
        yield {file: f"{_PLACE}/{folder}/{number}" for number, file in enumerate(files)}
    finally:
        removal = client.api.exec_create(container, ["rm", "-rf", f"{_PLACE}/{folder}"])["Id"]
        client.api.exec_start(removal)


if __name__ == "__main__":
    main()
