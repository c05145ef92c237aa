"""What passed the relays of a test, and what was done to it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, overload

from testkit.faults.protocols.rules import Drop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from testkit.faults.fault import Fault

__all__ = ["Entry", "Log"]

_MOST: Final = 10_000


class Entry(NamedTuple):
    """One line: ``seconds`` since the relay began; ``done`` is what a fault did, None if nothing.

    ``retry`` counts how often a request came again behind a fault, 0 for one that did not.
    """

    relay: str
    connection: int
    seconds: float
    what: str
    done: str | None = None
    retry: int = 0

    def __str__(self) -> str:
        again = f" (retry {self.retry})" if self.retry else ""
        done = f"  <- {self.done}" if self.done else ""
        place = f"{1000 * self.seconds:9.1f} ms  {self.relay} #{self.connection}"
        return f"{place}  {self.what}{again}{done}"


class Log:
    """The entries, oldest first: ``len``, an index, a slice, a loop; as text it is a table.

    Behind 10,000 entries only ``counts`` goes on, per relay and what passed it. Safe to read from
    any thread while relays write.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._struck: dict[tuple[str, str], int] = {}
        self._open: dict[tuple[str, int], list[str]] = {}
        self._answered: dict[tuple[str, int], str] = {}
        self.counts: Counter[tuple[str, str]] = Counter()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries))

    @overload
    def __getitem__(self, place: int) -> Entry: ...
    @overload
    def __getitem__(self, place: slice) -> list[Entry]: ...
    def __getitem__(self, place: int | slice) -> Entry | list[Entry]:
        return self._entries[place]

    def __str__(self) -> str:
        return "\n".join(self.tail(_MOST)) or "nothing passed"

    def tail(self, most: int) -> list[str]:
        """Return the last lines, and how many came before or after them."""
        entries = list(self._entries)
        lines = [str(entry) for entry in entries[-most:]]
        if len(entries) > most:
            lines.insert(0, f"({len(entries) - most} lines before)")
        if (more := self.counts.total() - len(entries)) > 0:
            lines.append(f"({more} lines more were only counted)")
        return lines

    def seen(self, relay: str, most: int = 10) -> list[str]:
        """Return what passed a relay, each with how often, the most frequent first."""
        found = [(what, n) for (name, what), n in self.counts.most_common() if name == relay]
        lines = [f"{n} x {what}" for what, n in found[:most]]
        return lines + ([f"and {len(found) - most} others"] if len(found) > most else [])

    # --- written in the relays' thread

    def note(
        self,
        relay: str,
        connection: int,
        seconds: float,
        what: str,
        *,
        fault: Fault | None = None,
        counted: str = "",
    ) -> None:
        """Note that something happened to a connection; ``counted`` is it without its figures."""
        done = str(fault) if fault else None
        self._write(Entry(relay, connection, seconds, what, done), counted or what)
        if fault is not None:
            self._suspect(relay, connection)
            if fault.condition.kind == "cut" and (
                answered := self._answered.get((relay, connection))
            ):
                self._struck.setdefault((relay, answered), 0)

    def note_request(
        self, relay: str, connection: int, seconds: float, what: str, *, fault: Fault | None = None
    ) -> None:
        """Note a request; the same again behind a fault is a retry.

        One that was dropped is not among those whose replies come.
        """
        retry = 0
        if (relay, what) in self._struck:
            retry = self._struck[relay, what] = self._struck[relay, what] + 1
        waiting = self._open.setdefault((relay, connection), [])
        waiting.append(what)
        done = str(fault) if fault else None
        self._write(Entry(relay, connection, seconds, what, done, retry), what)
        if fault is not None:
            self._suspect(relay, connection)
            if fault.rule is not None and isinstance(fault.rule.action, Drop):
                waiting.pop()

    def note_reply(
        self, relay: str, connection: int, seconds: float, what: str, *, fault: Fault | None = None
    ) -> None:
        """Note a reply: what asked for the first one that is open has its answer."""
        waiting = self._open.get((relay, connection))
        if fault is not None:
            self._suspect(relay, connection)
        elif waiting:
            self._struck.pop((relay, waiting[0]), None)
        if waiting:
            self._answered[relay, connection] = waiting.pop(0)
        self._write(Entry(relay, connection, seconds, what, str(fault) if fault else None), what)

    def forget(self, relay: str, connection: int) -> None:
        """Note that a connection is over."""
        self._open.pop((relay, connection), None)
        self._answered.pop((relay, connection), None)

    def _suspect(self, relay: str, connection: int) -> None:
        """Note that what has no answer yet may come again: a fault struck."""
        for what in self._open.get((relay, connection), ()):
            self._struck.setdefault((relay, what), 0)

    def _write(self, entry: Entry, what: str) -> None:
        self.counts[entry.relay, what] += 1
        if len(self._entries) < _MOST:
            self._entries.append(entry)
