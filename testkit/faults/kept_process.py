"""A server that a process beside it keeps, as faults disturb it: what is the same for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from testkit.servers.postgres import PostgresServer
    from testkit.servers.redis import RedisServer

__all__ = ["Keeper", "KeptProcess"]


class Keeper(Protocol):
    """What pauses, kills and starts the server."""

    def tell(self, word: Literal["pause", "resume", "kill", "start"]) -> None:
        """Do it, and return when it is done."""


class KeptProcess:
    """Where the server is, and its pauses."""

    def __init__(self, server: PostgresServer | RedisServer, keeper: Keeper) -> None:
        self.place = f"{server.host}:{server.port}"
        self._keeper = keeper

    def pause(self) -> None:
        """Stop it where it stands, with its children."""
        self._keeper.tell("pause")

    def resume(self) -> None:
        """Let it go on."""
        self._keeper.tell("resume")
