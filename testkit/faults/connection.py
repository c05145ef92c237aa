"""One connection through a relay: a client's socket, a server's, and a lane each way."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from typing import TYPE_CHECKING, Any, Final

from testkit.faults.lane import Lane
from testkit.faults.loop import READ, WRITE, now
from testkit.faults.protocols.steps import Close, Forward, Hold, Noted, Reset

if TYPE_CHECKING:
    from collections.abc import Sequence

    from testkit.faults.fault import Fault
    from testkit.faults.protocols.steps import Conversation, Direction, Step
    from testkit.faults.station import Station

__all__ = ["Connection", "closed_by_reset"]

_ABORTING: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, no seconds
_WOULD_BLOCK: Final = (BlockingIOError, InterruptedError)
_MOST_AT_ONCE: Final = 256 * 1024


def closed_by_reset(sock: socket.socket) -> None:
    """Let the socket's closing send a reset, whatever waits in it."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORTING)


class _Side:
    """One of the two sockets: what comes in from it goes into ``out``, ``into`` comes to it."""

    def __init__(self, sock: socket.socket, name: str, out: Direction, into: Direction) -> None:
        self.socket, self.name = sock, name
        self.out: Direction = out
        self.into: Direction = into
        self.reads = True  # until its end has come
        self.stalled = False  # it takes no more at the moment
        self.deaf = False  # what is sent to it is lost
        self.told = False  # that the other side sends no more
        self.events = 0
        self.bytes = 0


class Connection:
    """Moves what comes in on one side to the other, as the relay's conditions allow.

    All of it runs in the loop's thread. Back-pressure: while one side does not take what waits for
    it, the other is not read.
    """

    def __init__(
        self, station: Station, number: int, client: socket.socket, server: socket.socket
    ) -> None:
        self.station, self.number = station, number
        self._loop = station.loop
        self.client = _Side(client, "client", "to_server", "to_client")
        self.server = _Side(server, "server", "to_client", "to_server")
        self._lanes: dict[Direction, Lane] = {"to_server": Lane(), "to_client": Lane()}
        self._sides: dict[Direction, _Side] = {"to_server": self.server, "to_client": self.client}
        self._connecting = True
        self._addresses: list[tuple[int, Any]] = []  # that are still to be tried
        self._drains = False  # the client was told that it is over, and is only listened to
        self._timers: dict[Direction, float] = {}
        self._passed: dict[Fault, int] = {}  # bytes to the client since a `cut` was declared
        self._closer = ""  # the side that closed first
        self.open = True
        self.conversation: Conversation | None = station.converse() if station.converse else None

    # --- begin and end

    def connect(self, addresses: Sequence[tuple[int, Any]]) -> None:
        """Open the server's side to the first, else the next; what the client sends waits."""
        self._addresses = list(addresses)
        _, address = self._addresses.pop(0)
        code = self.server.socket.connect_ex(address)
        if code in {0, errno.EISCONN}:
            self._connected()
        elif code == errno.EINPROGRESS:
            self._watch(self.server, WRITE)
        else:
            self._refused(code)

    def _refused(self, code: int) -> None:
        why = f"the server cannot be reached: {os.strerror(code)}"
        if not self._addresses:
            self.reset(why)
            return
        self._loop.drop(self.server.socket)
        try:
            self.server.socket = self.station.socket_to(self._addresses[0][0])
        except OSError:
            self.reset(why)
        else:
            self.server.events = 0
            self.connect(self._addresses)

    def _connected(self) -> None:
        self._connecting = False
        for direction, lane in self._lanes.items():
            lane.held = self.station.conditions.held(direction) is not None
            self._pump(direction)
        self._refresh()

    def reset(self, why: str, fault: Fault | None = None) -> None:
        """Reset both sides."""
        for side in (self.client, self.server):
            closed_by_reset(side.socket)
        self._close(why, fault)

    def finish(self, why: str, fault: Fault | None = None) -> None:
        """Close the client's side in order, behind what it was sent, and the server's at once."""
        if not self.open or self._drains:
            return
        self._drains = True
        self._note(why, fault)
        self._loop.drop(self.server.socket)
        for lane in self._lanes.values():
            lane.clear()
        try:
            self.client.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._close()
        else:
            # Closing with something unread would be a reset, and may destroy what was sent.
            self._watch(self.client, READ)

    def waits(self) -> bool:
        """Return whether anything waits in it, for a time or for a side to take it."""
        return any(self._lanes.values())

    def close(self) -> None:
        """Close both sides in order, now."""
        self._close("closed with the relay")

    def _close(self, why: str = "", fault: Fault | None = None) -> None:
        if not self.open:
            return
        self.open = False
        self._loop.drop(self.client.socket)
        self._loop.drop(self.server.socket)
        if why and not self._drains:
            passed = f"{self.client.bytes} bytes to the server, {self.server.bytes} to the client"
            self._note(f"{why} ({passed})" if fault is None else why, fault, counted=why)
        self.station.forget(self)

    def _note(self, what: str, fault: Fault | None = None, *, counted: str = "") -> None:
        self.station.note(self.number, what, fault=fault, counted=counted)

    # --- the faults of the relay

    def refresh(self) -> None:
        """Look at the conditions again: some have begun or ended."""
        conditions = self.station.conditions
        time = now()
        for direction, lane in self._lanes.items():
            lane.held = conditions.held(direction) is not None
            if conditions.first("latency", direction) is None:
                lane.hurry(time, ends=conditions.first("slow_close", direction) is None)
        for direction in self._lanes:
            if self._moves():
                self._pump(direction)
        if self._moves():
            self._refresh()

    # --- events

    def _watch(self, side: _Side, events: int) -> None:
        if side.events != events and side.socket.fileno() >= 0:
            side.events = events
            handler = self._on_client if side is self.client else self._on_server
            self._loop.watch(side.socket, events, handler)

    def _refresh(self) -> None:
        """Ask for what each side can be of use for now."""
        for side in (self.client, self.server):
            reads = side.reads and self._lanes[side.out].has_room and not self._connecting
            if side is self.server and self._connecting:
                self._watch(side, WRITE)
            else:
                self._watch(side, (READ if reads else 0) | (WRITE if side.stalled else 0))

    def _on_client(self, events: int) -> None:
        self._on(self.client, events)

    def _on_server(self, events: int) -> None:
        if self._connecting:
            code = self.server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self.server.events = 0
            self._loop.watch(self.server.socket, 0, self._on_server)
            if code:
                self._refused(code)
            else:
                self._connected()
            return
        self._on(self.server, events)

    def _on(self, side: _Side, events: int) -> None:
        if events & WRITE:
            side.stalled = False
            self._pump(side.into)
        if events & READ and self.open:
            self._receive(side)
        if self._moves():
            self._refresh()

    def _receive(self, side: _Side) -> bool:
        """Take what has come in; answer whether there may be more."""
        try:
            size = side.socket.recv_into(self._loop.buffer)
        except _WOULD_BLOCK:
            return False
        except OSError:
            self._broken(side)
            return False
        if self._drains:
            if size == 0:
                self._close()
            return size > 0
        if size == 0:
            self._ended(side)
            return False
        side.bytes += size
        view = self._loop.buffer[:size]
        if self.conversation is None:
            self._forward(side.out, view)
        else:
            listen = self.conversation
            hear = listen.from_client if side is self.client else listen.from_server
            self._carry_out(hear(bytes(view)))
        return True

    def _ended(self, side: _Side) -> None:
        """Pass on, behind what it sent, that the side sends no more."""
        side.reads = False
        self._closer = self._closer or side.name
        conditions = self.station.conditions
        delay, struck = conditions.delay(side.out)
        longer, slow = conditions.closing(side.out)
        holding = conditions.holding(side.out)
        fault = holding or slow or struck
        if fault is not None:
            self._note(f"end of what the {side.name} sends", fault)
        self._lanes[side.out].put("close", now() + delay + longer)
        self._pump(side.out)

    def _broken(self, side: _Side) -> None:
        """Pass on that the side was reset."""
        if self._drains:
            self._close()
            return
        side.reads, side.deaf = False, True
        self._watch(side, 0)  # an error is ready for ever
        self._lanes[side.into].clear()
        self._lanes[side.out].put("reset", now() + self.station.conditions.delay(side.out)[0])
        self._pump(side.out)

    # --- bytes

    def _forward(self, direction: Direction, data: memoryview | bytes) -> None:
        lane, side = self._lanes[direction], self._sides[direction]
        conditions = self.station.conditions
        if not conditions.any and not lane:
            # The way that nearly everything goes.
            if not side.stalled and not self._connecting and not side.deaf:
                data = data[self._send(direction, data) :]
            if data and self.open and not side.deaf:
                lane.put("data", 0.0, bytes(data))
            return
        if side.deaf:
            return
        delay, fault = conditions.delay(direction)
        if fault is not None:
            self.station.note_bytes(self.number, direction, len(data), fault)
        lane.put("data", now() + delay, bytes(data))
        if (holding := conditions.holding(direction)) is not None:
            self.station.note_bytes(self.number, direction, len(data), holding)
        self._pump(direction)

    def _pump(self, direction: Direction) -> None:
        """Send what is due; ask to be called when something else will be."""
        lane, side = self._lanes[direction], self._sides[direction]
        time = now()
        while self._moves() and not self._connecting:
            item = lane.ready(time)
            if item is not None and item.what == "reset":
                self.reset(f"reset by {self._other(side).name}")
            elif item is None or side.stalled:
                break
            elif item.what == "finish":
                self.finish("closed by a rule")
            elif item.what == "close":
                lane.sent(0)
                self._tell_end(side)
            else:
                size = self._send(direction, item.data)
                if self._moves() and not side.deaf:
                    lane.sent(size)
        # By the same time: what was not due a moment ago may be so now, and nobody would come.
        if self._moves() and (due := lane.due()) is not None and due > time:
            self._wake(direction, due)

    def _wake(self, direction: Direction, due: float) -> None:
        if self._timers.get(direction) == due:
            return
        self._timers[direction] = due

        def pump() -> None:
            if self._timers.get(direction) == due:
                del self._timers[direction]
            if self._moves():
                self._pump(direction)
            if self._moves():
                self._refresh()

        self._loop.at(due, pump)

    def _send(self, direction: Direction, data: memoryview | bytes) -> int:
        """Send what the side takes now; answer how much, less than all where it is stalled."""
        side = self._sides[direction]
        cutting = self._cutting() if direction == "to_client" else None
        if cutting is not None:
            left = cutting.condition.after - self._passed.get(cutting, 0)
            data = data[:left]
        try:
            size = side.socket.send(data[:_MOST_AT_ONCE]) if data else 0
        except _WOULD_BLOCK:
            size = 0
        except OSError as error:
            self._gone(side, error)
            return 0
        side.stalled = size < len(data) and size < _MOST_AT_ONCE
        if cutting is not None:
            for fault in self.station.conditions.of("cut"):
                self._passed[fault] = self._passed.get(fault, 0) + size
            after = cutting.condition.after
            if self._passed[cutting] >= after:
                cutting.struck += 1
                self.finish(f"cut behind {after} bytes to the client", cutting)
        return size

    def _gone(self, side: _Side, error: OSError) -> None:
        """Pass on what the side said before it was reset; nothing can be sent to it any more."""
        side.deaf = True
        self._lanes[side.into].clear()
        while self.open and side.reads and self._receive(side):
            pass
        # EPIPE: it had closed before, which the other side has been told.
        if self.open and error.errno != errno.EPIPE:
            self._broken(side)

    def _cutting(self) -> Fault | None:
        """Return the `cut` that lets the fewest bytes pass, None where there is none."""
        cuts = self.station.conditions.of("cut")
        passed = self._passed
        return min(cuts, key=lambda cut: cut.condition.after - passed.get(cut, 0), default=None)

    def _moves(self) -> bool:
        """Return whether bytes are still passed on."""
        return self.open and not self._drains

    def _other(self, side: _Side) -> _Side:
        return self.client if side is self.server else self.server

    def _tell_end(self, side: _Side) -> None:
        """Tell the side that no more will come; both told, the connection is over."""
        side.told = True
        with contextlib.suppress(OSError):
            side.socket.shutdown(socket.SHUT_WR)
        if self._other(side).told:
            self._close(f"closed by {self._closer}")

    # --- steps of a conversation

    def _carry_out(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if not self._moves():
                return
            match step:
                case Forward(data, to):
                    self._forward(to, data)
                case Noted(what, rule, kind):
                    self.station.note_said(self.number, what, rule, kind)
                case Hold(seconds, to):
                    self._lanes[to].put("pause", now() + seconds)
                    self._pump(to)
                case Reset():
                    self.reset("reset by a rule")
                case Close():
                    self._lanes["to_client"].put("finish", now())
                    self._pump("to_client")
