"""One running Redis (Valkey): its facts and its start."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from testkit.core.addresses import Address
from testkit.core.provided import provided
from testkit.servers.ownership.workshop import server_directory
from testkit.servers.programs.launch import KeptServer, PreparedKeeper, wait_until
from testkit.system.files import ordinary_user
from testkit.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from testkit.servers.programs.binaries import Binaries
    from testkit.servers.run import Run
    from testkit.system.processes import ProcessIdentity

__all__ = ["RedisServer", "answering", "start_program", "start_redis"]

_CONFIGURATION: Final = """\
bind {host}
port {port}
requirepass {password}
dir "{directory}"
save ""
appendonly no
daemonize no
databases 16
enable-debug-command local
"""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running server: where it listens, what it is, why it was chosen.

    ``database`` is the number of the one that applications get. ``kept`` is None for a server that
    testkit does not run: then nothing but that database is ours.
    """

    port: int
    password: str = dataclasses.field(repr=False)
    product: str
    version: str
    backend: str
    reason: str
    kept: KeptServer | None = None
    bin_folder: str | None = None
    host: str = LOOPBACK
    user: str = "default"
    database: int = 0
    tls: bool = False
    options: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Let tests reach it."""
        provided.add(self.host, self.port)

    @property
    def name(self) -> str:
        """Return product and version, for the header."""
        own = f"{self.product} {self.version}"
        return own if self.product == "Redis" else f"Redis ({own})"

    @property
    def url(self) -> str:
        """Return the URL of the database."""
        return self.address.url()

    @property
    def address(self) -> Address:
        """Return what an application needs to reach the database."""
        name = str(self.database)
        return Address(
            "redis",
            self.host,
            self.port,
            self.user,
            self.password,
            name,
            self.options,
            tls=self.tls,
        )

    @property
    def shell_command(self) -> str:
        """Return the command line of a shell on the server; it asks for the password."""
        words = ["redis-cli", "-h", self.host, "-p", str(self.port), "-n", str(self.database)]
        if self.user not in {"", "default"}:
            words += ["--user", self.user]
        return shlex.join([*words, *["--tls"] * self.tls, "--askpass"])

    def to_json(self) -> str:
        """Return the facts as text; holds the password."""
        return json.dumps(dataclasses.asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> RedisServer:
        """Return the facts that ``to_json`` wrote."""
        facts = json.loads(text)
        facts["options"] = tuple((name, value) for name, value in facts["options"])
        return cls(**facts | {"kept": KeptServer.from_facts(facts["kept"])})


def start_program(run: Run, binaries: Binaries, address: Address) -> RedisServer:
    """Start a program of this machine at the address, for this process. Raises TK101, TK106."""
    with PreparedKeeper(run.directory.name) as keeper:
        directory = server_directory(run.made() / f"redis-{run.worker}")
        return start_redis(
            keeper,
            binaries,
            directory=directory,
            port=address.port,
            password=address.password,
            owners=[run.owner, run.me],
            reason=binaries.reason(),
        )


def start_redis(
    keeper: PreparedKeeper,
    binaries: Binaries,
    *,
    directory: Path,
    port: int,
    password: str,
    owners: Sequence[ProcessIdentity],
    reason: str,
) -> RedisServer:
    """Start a server that keeps nothing; ``directory`` goes with it. Raises TK101."""
    configuration = directory / "redis.conf"
    # In a file: an argument would show the password in the list of processes.
    configuration.touch(mode=0o600)
    configuration.write_text(
        _CONFIGURATION.format(host=LOOPBACK, port=port, password=password, directory=directory)
    )
    owner = directory.stat()
    os.chown(configuration, owner.st_uid, owner.st_gid)
    command = [binaries.program(binaries.server), str(configuration)]
    # Nothing is kept, so nothing need be shut down in order: SIGTERM takes 100 ms.
    kept = keeper.launch(
        "Redis",
        command,
        directory=directory,
        owners=owners,
        stop=signal.SIGKILL,
        remove=[directory],
        user=ordinary_user(),
    )
    wait_until(kept, lambda: _says_ready(kept.log))
    return RedisServer(
        port=port,
        password=password,
        product=binaries.product,
        version=binaries.version,
        backend=binaries.road,
        reason=reason,
        kept=kept,
        bin_folder=str(binaries.folder),
    )


def answering(
    facts: Mapping[str, object],
    address: Address,
    *,
    backend: str,
    reason: str,
    kept: KeptServer | None = None,
) -> RedisServer:
    """Return the server at the address that answered INFO with these facts."""
    valkey = facts.get("valkey_version")
    return RedisServer(
        port=address.port,
        password=address.password,
        product="Valkey" if valkey else "Redis",
        version=str(valkey or facts["redis_version"]),
        backend=backend,
        reason=reason,
        kept=kept,
        host=address.host,
        user=address.user,
        database=int(address.name),
        tls=address.tls,
        options=address.options,
    )


def _says_ready(log: Path) -> bool:
    try:
        return b"Ready to accept connections" in log.read_bytes()
    except OSError:
        return False
