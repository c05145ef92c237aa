"""The entries of each module one after another, those of different modules side by side."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from cos.events.event import Event, MalformedEventError
from cos.events.subscribing.entry import Entry, read_event
from cos.events.subscribing.facts import SubscriberFacts
from cos.events.subscribing.handling import Handling
from cos.events.subscribing.subscriber_settings import SubscriberSettings

__all__ = ["Lanes"]


@dataclass(slots=True)
class _Lane:
    """What one module has to do: entries, and events of the table up to ``wanted``."""

    entries: deque[tuple[Entry, Event | MalformedEventError]] = field(default_factory=deque)
    wanted: int = 0


class Lanes:
    """Holds entries and works them off; one task for each module that has something to do.

    ``done`` is called with an entry when its event is committed, dropped or buried; the entry stays
    among those that are held until `forget`. Who reads waits
    for `room`: no more than ``settings.capacity`` entries are held, not counting those of modules
    that wait for their next attempt, so that these keep nobody from anything. One module holds up
    to ``settings.depth``; what is beyond is left to the table, where it stands as well.
    """

    def __init__(
        self,
        handling: Handling,
        settings: SubscriberSettings,
        facts: SubscriberFacts,
        done: Callable[[Entry], None],
    ) -> None:
        self._handling = handling
        self._settings = settings
        self._facts = facts
        self._done = done
        self._lanes: dict[UUID | None, _Lane] = {}
        self._held: dict[tuple[str, str], Entry] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    @property
    def held(self) -> list[Entry]:
        """The entries that are held."""
        return list(self._held.values())

    async def room(self, least: int = 1) -> int:
        """Wait until ``least`` more entries can be held, and return how many can."""
        while True:
            if self._failure is not None:
                raise self._failure
            free = self._settings.capacity - self._counted()
            if free >= least:
                return free
            self._handling.changed.clear()
            await self._handling.changed.wait()

    def add(self, entry: Entry) -> None:
        """Take an entry, behind those of its module; one that is held already is ignored."""
        if (entry.stream, entry.id) in self._held:
            return
        found: Event | MalformedEventError
        try:
            found = read_event(entry.fields)
        except MalformedEventError as error:
            found = error
        key = found.module_id if isinstance(found, Event) else None
        lane = self._lane(key)
        if isinstance(found, Event) and len(lane.entries) >= self._settings.depth:
            lane.wanted = max(lane.wanted, found.sequence)
            return
        self._held[entry.stream, entry.id] = entry
        self._facts.held = len(self._held)
        lane.entries.append((entry, found))

    def want(self, module_id: UUID, newest: int) -> None:
        """Have the events of the table handled up to ``newest``."""
        lane = self._lane(module_id)
        lane.wanted = max(lane.wanted, newest)

    def forget(self, entry: Entry) -> None:
        """Hold the entry no longer: should it come again, it is taken for another one."""
        self._held.pop((entry.stream, entry.id), None)
        self._facts.held = len(self._held)

    async def drain(self) -> None:
        """Wait until there is nothing left to do; with the handling stopped, until it has ended."""
        while self._tasks:
            await asyncio.wait(self._tasks.copy())

    def cancel(self) -> None:
        """Cut off what is being handled."""
        for task in self._tasks:
            task.cancel()

    def _lane(self, key: UUID | None) -> _Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane()
            name = f"cos events of {key}"
            task = asyncio.create_task(self._work(key, lane), name=name)
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        return lane

    def _counted(self) -> int:
        # A lane without an entry, which works off the table, counts as one.
        resting = self._handling.resting
        return sum(
            max(1, len(lane.entries)) for key, lane in self._lanes.items() if key not in resting
        )

    async def _work(self, key: UUID | None, lane: _Lane) -> None:
        try:
            while await self._step(key, lane):
                pass
        finally:
            # In the same breath as the last look: whoever adds after it makes a lane of its own.
            del self._lanes[key]
            for entry, _ in lane.entries:
                self.forget(entry)
            self._handling.changed.set()

    async def _step(self, key: UUID | None, lane: _Lane) -> bool:
        if lane.entries:
            entry, found = lane.entries[0]
            if not await self._settled(entry, found):
                return False
            lane.entries.popleft()
            self._done(entry)
            self._handling.changed.set()
            return True
        wanted, lane.wanted = lane.wanted, 0
        return wanted > 0 and key is not None and await self._handling.catch_up(key, wanted)

    async def _settled(self, entry: Entry, found: Event | MalformedEventError) -> bool:
        if isinstance(found, Event):
            return await self._handling.settle(found)
        return await self._handling.bury(entry, found)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._handling.changed.set()
