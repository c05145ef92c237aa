"""Conversations with pieces of bytes, and what came of them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from testkit.faults.protocols.steps import Close, Forward, Hold, Noted, Reset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from testkit.faults.protocols.steps import Conversation, Direction, Step

__all__ = ["Heard", "pieces"]


@dataclass
class Heard:
    """What a conversation wanted, in the order of its steps; forwarded bytes are joined."""

    conversation: Conversation
    done: list[tuple[str, object]] = field(default_factory=list)

    def client(self, *data: bytes) -> Heard:
        for piece in data:
            self._take(self.conversation.from_client(piece))
        return self

    def server(self, *data: bytes) -> Heard:
        for piece in data:
            self._take(self.conversation.from_server(piece))
        return self

    def _take(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Forward):
                self.done.append((step.to, step.data))
            elif isinstance(step, Hold):
                self.done.append((f"hold {step.to}", step.seconds))
            elif isinstance(step, Noted):
                self.done.append(("noted", (step.what, step.kind, step.rule is not None)))
            else:
                assert isinstance(step, Reset | Close)
                self.done.append((type(step).__name__.lower(), None))

    def _bytes(self, to: Direction) -> bytes:
        return b"".join(data for what, data in self.done if what == to and isinstance(data, bytes))

    @property
    def to_server(self) -> bytes:
        return self._bytes("to_server")

    @property
    def to_client(self) -> bytes:
        return self._bytes("to_client")

    @property
    def notes(self) -> list[object]:
        return [found for what, found in self.done if what == "noted"]

    @property
    def texts(self) -> list[str]:
        return [note[0] for note in self.notes if isinstance(note, tuple)]

    @property
    def acts(self) -> list[tuple[str, object]]:
        """Everything but notes; bytes that go one way without anything between are one."""
        acts: list[tuple[str, object]] = []
        for what, found in self.done:
            if what == "noted":
                continue
            if acts and acts[-1][0] == what and isinstance(found, bytes):
                before = acts.pop()[1]
                assert isinstance(before, bytes)
                acts.append((what, before + found))
            else:
                acts.append((what, found))
        return acts


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Return the data cut at these places; cuts behind the end are none."""
    places = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(places)]
