"""Example modules that live: they beat, change their version, fall ill and silent, and recover."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from cos.events.pausing import pause
from cos.models import HealthState
from cos.services import health, modules
from cos.services.errors import NameTakenError, UnknownModuleError
from cos.services.health import Heartbeat
from cos.services.modules import NewModule

__all__ = ["EXAMPLES", "Example", "Examples", "Move", "moves"]

LOGGER: Final = logging.getLogger(__name__)
TICK: Final = 1.0  # seconds
MARK: Final = {"example": True}


@dataclass(frozen=True, slots=True)
class Example:
    """A module of the demonstration, and when it does what: ticks within its own round.

    It beats at every ``every``-th tick, is degraded in the ticks of ``ill``, says nothing in those
    of ``silent``, and at the end of a round it has a new version if it ``releases``.
    """

    name: str
    every: int = 2
    round: int = 60
    ill: range = range(0)
    silent: range = range(0)
    releases: bool = False


EXAMPLES: Final = (
    Example("archive", every=5),
    Example("asset library"),
    Example("music", round=45, releases=True),
    Example("renderer", round=40, ill=range(10, 22)),
    Example("review", every=3, round=50, releases=True),
    Example("story", round=90, ill=range(70, 75)),
    Example("studio", every=1),
    Example("voice", round=70, silent=range(15, 50)),
)


@dataclass(frozen=True, slots=True)
class Move:
    """What one module does at one tick: a heartbeat, or a new version, or both."""

    name: str
    heartbeat: Heartbeat | None = None
    version: str | None = None


def moves(examples: Sequence[Example], tick: int) -> Iterator[Move]:
    """Yield what the examples do at a tick, counted from 0; the same for the same tick."""
    for number, example in enumerate(examples):
        # Each at a time of its own, or all would beat at once.
        place, rounds = (tick + number * 7) % example.round, (tick + number * 7) // example.round
        beat = None
        if place not in example.silent and tick % example.every == number % example.every:
            beat = _heartbeat(example, place)
        is_release = example.releases and place == 0 and rounds > 0
        version = f"1.{rounds}.0" if is_release else None
        if beat or version:
            yield Move(example.name, beat, version)


def _heartbeat(example: Example, place: int) -> Heartbeat:
    if place in example.ill:
        return Heartbeat(HealthState.DEGRADED, {"queue": 40 + place, "reason": "falling behind"})
    return Heartbeat(HealthState.HEALTHY, {"queue": place % 5})


class Examples:
    """Registers the examples and makes their moves, until it is told to stop.

    They stay in the database. A module of this name that is no example is left alone, and one that
    somebody removes stays away until the next start.
    """

    def __init__(self, sessions: async_sessionmaker[AsyncSession], *, tick: float = TICK) -> None:
        self._sessions = sessions
        self._tick = tick

    async def run(self, stop: asyncio.Event) -> None:
        """Live. Raises what the database raises; started again, it takes the same modules."""
        known = await self.register()
        for tick in _counted(stop):
            for move in moves(EXAMPLES, tick):
                if move.name in known and not await self._made(known[move.name], move):
                    known.pop(move.name)
            await pause(stop, self._tick)

    async def register(self) -> dict[str, UUID]:
        """Return the ids of the example modules by name; those that are missing are registered."""
        known: dict[str, UUID] = {}
        for example in EXAMPLES:
            with suppress(NameTakenError):
                async with self._sessions.begin() as session:
                    module = await modules.find_by_name(session, example.name)
                    if module is None:
                        new = NewModule(example.name, "1.0.0", config=dict(MARK))
                        module = await modules.register(session, new)
                    if module.config == MARK:
                        known[example.name] = module.id
        return known

    async def _made(self, module_id: UUID, move: Move) -> bool:
        try:
            async with self._sessions.begin() as session:
                if move.version is not None:
                    await modules.change(session, module_id, {"version": move.version})
                if move.heartbeat is not None:
                    await health.beat(session, module_id, move.heartbeat)
        except UnknownModuleError:
            LOGGER.info("The example %s was removed.", move.name)
            return False
        return True


def _counted(stop: asyncio.Event) -> Iterator[int]:
    tick = 0
    while not stop.is_set():
        yield tick
        tick += 1
