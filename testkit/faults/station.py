"""One relay as its thread sees it: the listening socket, the connections, what is in force."""

from __future__ import annotations

import errno
import random
import socket
from typing import TYPE_CHECKING, Final

from testkit.faults.conditions import Conditions
from testkit.faults.connection import Connection, closed_by_reset
from testkit.faults.drop_filter import DropFilter, FullBacklog
from testkit.faults.loop import READ, now
from testkit.system.ports import LOOPBACK, HeldPort

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testkit.faults.fault import Fault
    from testkit.faults.log import Log
    from testkit.faults.loop import Loop
    from testkit.faults.protocols.rules import Rule, Rules
    from testkit.faults.protocols.steps import Conversation, Direction

__all__ = ["Station", "addresses_of"]

_BACKLOG: Final = 4096
_PAUSE: Final = 0.05  # seconds until the next try where the process has no descriptor left
_TO: Final = {"to_server": "the server", "to_client": "the client"}


class Station:
    """Accepts connections and leads them to the server. Made and used in the loop's thread only.

    ``server`` is where it listens, as address families and addresses: those behind the first are
    tried where that does not answer. ``converse`` makes the conversation of each connection;
    without it bytes are passed on as they are.
    """

    def __init__(
        self,
        loop: Loop,
        name: str,
        server: Sequence[tuple[int, object]],
        log: Log,
        *,
        seed: int,
        converse: Callable[[], Conversation] | None = None,
    ) -> None:
        self.loop, self.name, self.converse = loop, name, converse
        self._server = server
        self._log = log
        self._began = now()
        self.conditions = Conditions(random.Random(seed))  # noqa: S311 - jitter
        # Also while nothing listens nobody else gets the port. Nor does anybody by chance when the
        # relay is gone: what was made through it is led on to the server by this port.
        self._held = HeldPort(apart=True)
        self.port = self._held.port
        self._listener: socket.socket | None = None
        self._filters: dict[Fault, DropFilter | FullBacklog] = {}
        self._fillers: dict[object, socket.socket] = {}  # our own, which keep the queue full
        self._connections: dict[int, Connection] = {}
        self._silent: dict[int, socket.socket] = {}
        self._count = 0
        self._rules: dict[Rule, Fault] = {}
        self._listen()

    # --- faults

    def begin(self, fault: Fault) -> None:
        """Let a fault be in force."""
        self.conditions.add(fault)
        match fault.condition.kind:
            case "reset":
                for connection in list(self._connections.values()):
                    fault.struck += 1
                    connection.reset("reset", fault)
                for number, silent in list(self._silent.items()):
                    fault.struck += 1
                    closed_by_reset(silent)
                    self._forget_silent(number, "reset", fault)
            case "refuse":
                self._deafen()
            case "connect_black_hole" if self._listener is not None:
                self._filters[fault] = self._shut(self._listener)
        self._refresh()

    def end(self, fault: Fault) -> None:
        """Let a fault be in force no more; what it held flows on."""
        fault.active = False
        self.conditions.remove(fault)
        if fault in self._filters:
            dropping = self._counted(fault)
            if not self._filters:
                dropping.end()
                self._open()
        if self._listener is None and self.conditions.first("refuse") is None:
            self._listen()
        self._refresh()

    def _counted(self, fault: Fault) -> DropFilter | FullBacklog:
        """Count the attempts that were dropped by now."""
        dropping = self._filters.pop(fault)
        if (dropped := dropping.dropped()) > 0:
            fault.struck += dropped
            self.note(0, f"attempts to connect: {dropped}", fault=fault, counted="tried to connect")
        return dropping

    def tried(self, fault: Fault) -> None:
        """Note that somebody tried to connect while nothing listens."""
        fault.struck += 1
        self.note(0, "tried to connect", fault=fault)

    def add_rule(self, fault: Fault, rule: Rule, rules: Rules) -> None:
        """Let a rule of the conversations strike."""
        self._rules[rule] = fault
        rules.add(rule)

    def forget_rule(self, fault: Fault, rule: Rule, rules: Rules) -> None:
        """Let it strike no more; what it holds is held on."""
        fault.active = False
        rules.remove(rule)

    def _refresh(self) -> None:
        for connection in list(self._connections.values()):
            connection.refresh()

    # --- the listening socket

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setblocking(False)
        listener.bind((LOOPBACK, self.port))
        listener.listen(_BACKLOG)
        self._listener = listener
        self.loop.own(listener)
        self.loop.watch(listener, READ, self._accept)
        for fault in self.conditions.of("connect_black_hole"):
            self._filters[fault] = self._shut(listener)

    def _shut(self, listener: socket.socket) -> DropFilter | FullBacklog:
        """Let nobody reach it, and nobody notice."""
        try:
            return DropFilter(listener)
        except PermissionError:
            if not self._fillers:
                self._accept(READ)
                self.loop.watch(listener, 0, self._accept)
            return FullBacklog(listener, self._fillers)

    def _open(self) -> None:
        if self._listener is not None:
            self._listener.listen(_BACKLOG)
            self.loop.watch(self._listener, READ, self._accept)

    def _deafen(self) -> None:
        if self._listener is not None:
            self._accept(READ)
            for fault in list(self._filters):
                self._counted(fault)
            self.loop.drop(self._listener)
            self._listener = None

    def _accept(self, _events: int) -> None:
        assert self._listener is not None
        while True:
            try:
                client, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:
                continue  # it has gone again
            except OSError as error:
                self._full(error)
                return
            if (filler := self._fillers.pop(address, None)) is not None:
                filler.close()
                client.close()
                continue
            self._met(client)

    def _full(self, error: OSError) -> None:
        """Take nobody for a moment where the process may open no more files."""
        if error.errno not in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}:
            raise error
        assert self._listener is not None
        self.note(0, f"no connection could be taken: {error.strerror}")
        self.loop.watch(self._listener, 0, self._accept)

        def again() -> None:
            if self._listener is not None:
                self.loop.watch(self._listener, READ, self._accept)

        self.loop.at(now() + _PAUSE, again)

    def _met(self, client: socket.socket) -> None:
        self._count += 1
        number = self._count
        answer, fault = self.conditions.meeting()
        if answer == "reset":
            self.note(number, "connected", fault=fault)
            closed_by_reset(client)
            client.close()
            return
        client.setblocking(False)
        if answer == "silence":
            self._keep_silent(number, client, fault)
            return
        try:
            server = self.socket_to(self._server[0][0])
        except OSError as error:
            client.close()
            self._full(error)
            return
        self.loop.own(client)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.note(number, "connected")
        connection = self._connections[number] = Connection(self, number, client, server)
        connection.connect(self._server)

    def socket_to(self, family: int) -> socket.socket:
        """Return a socket for an address of the server; OSError where there is none left."""
        made = socket.socket(family, socket.SOCK_STREAM)
        self.loop.own(made)
        made.setblocking(False)
        if family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def _keep_silent(self, number: int, client: socket.socket, fault: Fault | None) -> None:
        """Take what the client says, and say nothing; also when the fault is over."""
        self.note(number, "connected", fault=fault)
        self._silent[number] = client
        self.loop.own(client)

        def hear(_events: int) -> None:
            try:
                if client.recv_into(self.loop.buffer):
                    return
                why = "closed by client"
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                why = "reset by client"
            self._forget_silent(number, why)

        self.loop.watch(client, READ, hear)

    def _forget_silent(self, number: int, why: str, fault: Fault | None = None) -> None:
        self.loop.drop(self._silent.pop(number))
        self.note(number, why, fault=fault)

    def forget(self, connection: Connection) -> None:
        """Note that a connection is over."""
        self._connections.pop(connection.number, None)
        self._log.forget(self.name, connection.number)

    def abandon(self) -> None:
        """Reset the connections in which something waits: it must not arrive any more."""
        for connection in list(self._connections.values()):
            if connection.waits():
                connection.reset("reset: something was held in it when the test ended")

    def close(self) -> None:
        """Close everything; the clients see an end in order."""
        for fault in self.conditions.all():
            self.end(fault)
        for connection in list(self._connections.values()):
            connection.close()
        for number in list(self._silent):
            self._forget_silent(number, "closed with the relay")
        if self._listener is not None:
            self.loop.drop(self._listener)
            self._listener = None
        self._held.release()

    # --- the log

    def note(
        self, number: int, what: str, *, fault: Fault | None = None, counted: str = ""
    ) -> None:
        """Note what happened to a connection."""
        self._log.note(self.name, number, self._time(), what, fault=fault, counted=counted)

    def note_bytes(self, number: int, direction: Direction, size: int, fault: Fault) -> None:
        """Note bytes that a fault put off."""
        to = f"bytes to {_TO[direction]}"
        self.note(number, f"{size} {to}", fault=fault, counted=to)

    def note_said(self, number: int, what: str, rule: Rule | None, kind: str) -> None:
        """Note what a conversation understood, and count the rule that struck."""
        fault = self._rules.get(rule) if rule is not None else None
        if fault is not None:
            fault.struck += 1
        note = {"request": self._log.note_request, "reply": self._log.note_reply}.get(
            kind, self._log.note
        )
        note(self.name, number, self._time(), what, fault=fault)

    def _time(self) -> float:
        return now() - self._began


def addresses_of(host: str, port: int) -> list[tuple[int, object]]:
    """Return families and addresses of a server; raises OSError where the name leads nowhere.

    A name may have several: ``localhost`` is ::1 before 127.0.0.1 on most machines.
    """
    if host.startswith("/"):
        return [(socket.AF_UNIX, host)]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not found:
        raise OSError(f"{host} has no address")
    return [(int(family), address) for family, _, _, _, address in found]
