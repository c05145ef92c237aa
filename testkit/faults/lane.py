"""One direction of a connection: what waits in it, and when it is due. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Item", "Lane", "What"]

What = Literal["data", "close", "finish", "reset", "pause"]

# Bytes that wait until no more are read; as much again lies in the kernel's buffers.
_ROOM: Final = 1024 * 1024


@dataclass(slots=True)
class Item:
    """Something on its way: bytes, the end of the stream or of both, a reset, a rule's pause.

    ``due`` is in the seconds of whoever asks.
    """

    what: What
    due: float
    data: memoryview | bytes = b""


class Lane:
    """What waits, in order: nothing overtakes, whatever the delays.

    While it is ``held`` nothing is ready. ``delayed`` tells whether anything in it was put off.
    """

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._latest = 0.0
        self.held = False

    def __bool__(self) -> bool:
        return bool(self._items)

    @property
    def has_room(self) -> bool:
        """Return whether more should be read."""
        return self._bytes < _ROOM

    def put(self, what: What, due: float, data: memoryview | bytes = b"") -> None:
        """Add something that is due then, or as soon as what lies in front of it is."""
        self._latest = max(self._latest, due)
        self._items.append(Item(what, self._latest, data))
        self._bytes += len(data)

    def ready(self, now: float) -> Item | None:
        """Return what is to go next, None where nothing is due.

        A reset that is due destroys the bytes in front of it, as in a network.
        """
        if self.held:
            return None
        while self._items and self._items[0].what == "pause" and self._items[0].due <= now:
            self._items.popleft()
        if not self._items:
            return None
        last = self._items[-1]
        if last.what == "reset" and last.due <= now:
            return last
        first = self._items[0]
        return first if first.due <= now and first.what != "pause" else None

    def due(self) -> float | None:
        """Return when the next is due, None where nothing waits for a time."""
        return self._items[0].due if self._items and not self.held else None

    def sent(self, count: int) -> None:
        """Take so many bytes off the first, and it itself when it is over."""
        first = self._items[0]
        self._bytes -= count
        if count < len(first.data):
            first.data = memoryview(first.data)[count:]
        else:
            self._items.popleft()

    def hurry(self, now: float, *, ends: bool) -> None:
        """Let be due now what was put off, ends only with ``ends``; the pauses of rules stay."""
        behind = 0.0
        for item in self._items:
            if item.what == "pause" or (item.what == "close" and not ends):
                behind = max(behind, item.due)
            item.due = max(behind, min(item.due, now))
        self._latest = behind

    def clear(self) -> None:
        """Let everything be lost."""
        self._items.clear()
        self._bytes = 0

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)
