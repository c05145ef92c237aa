"""A relay of a few lines: passes bytes on as a conversation says, for real clients and servers."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from testkit.core.provided import provided
from testkit.faults.protocols.rules import Rule, Rules
from testkit.faults.protocols.steps import Close, Forward, Hold, Noted, Reset

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from testkit.faults.protocols.steps import Conversation, Direction, Step

__all__ = ["Passing"]

_RESET = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class _Pair:
    """One connection: sockets by the direction that ends in them, what waits, until when."""

    sockets: dict[Direction, socket.socket]
    conversation: Conversation
    waiting: list[tuple[float, Direction, bytes]] = field(default_factory=list)
    due: dict[Direction, float] = field(default_factory=dict)


class Passing:
    """Listens on ``port`` while its block lasts; ``declare`` adds a rule, ``notes`` is what passed."""

    def __init__(self, address: tuple[str, int], converse: Callable[[Rules], Conversation]) -> None:
        self.rules = Rules()
        self.notes: list[tuple[str, Rule | None]] = []
        self.bytes_to_server = b""
        self._address, self._converse = address, converse
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        provided.add("127.0.0.1", self.port)
        self._stop, self._stopped = socket.socketpair()
        self._pairs: list[_Pair] = []
        self._thread = threading.Thread(target=self._run, daemon=True)

    def declare(self, rule: Rule) -> Rule:
        with self._lock:
            self.rules.add(rule)
        return rule

    @property
    def texts(self) -> list[str]:
        return [what for what, _ in self.notes]

    def __enter__(self) -> Self:
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(self._stopped, selectors.EVENT_READ, None)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.close()
        self._thread.join()
        for pair in list(self._pairs):
            self._end(pair)
        self._selector.close()
        self._listener.close()
        self._stopped.close()

    def _run(self) -> None:
        while True:
            dues = [item[0] for pair in self._pairs for item in pair.waiting]
            timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
            for key, _ in self._selector.select(timeout):
                if key.data is None:
                    return
                key.data()
            for pair in list(self._pairs):
                self._send_due(pair)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.create_connection(self._address)
        pair = _Pair({"to_server": server, "to_client": client}, self._converse(self.rules))
        self._pairs.append(pair)
        hear = pair.conversation
        for sock, take in ((client, hear.from_client), (server, hear.from_server)):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            handler = self._handler(pair, sock, take)
            self._selector.register(sock, selectors.EVENT_READ, handler)

    def _handler(
        self, pair: _Pair, sock: socket.socket, take: Callable[[bytes], Sequence[Step]]
    ) -> Callable[[], None]:
        def handle() -> None:
            if pair not in self._pairs:
                return
            try:
                data = sock.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                self._end(pair)
                return
            with self._lock:
                steps = take(data)
            for step in steps:
                self._do(pair, step)

        return handle

    def _do(self, pair: _Pair, step: Step) -> None:
        if isinstance(step, Noted):
            self.notes.append((step.what, step.rule))
        elif isinstance(step, Hold):
            now = max(time.monotonic(), pair.due.get(step.to, 0))
            pair.due[step.to] = now + step.seconds
        elif isinstance(step, Forward):
            pair.waiting.append((pair.due.get(step.to, 0), step.to, step.data))
            self._send_due(pair)
        elif isinstance(step, Reset):
            for sock in pair.sockets.values():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._end(pair)
        else:
            assert isinstance(step, Close)
            self._end(pair)

    def _send_due(self, pair: _Pair) -> None:
        now = time.monotonic()
        ready = [item for item in pair.waiting if item[0] <= now]
        pair.waiting = [item for item in pair.waiting if item[0] > now]
        for _, to, data in ready:
            if to == "to_server":
                self.bytes_to_server += data
            with contextlib.suppress(OSError):
                pair.sockets[to].sendall(data)

    def _end(self, pair: _Pair) -> None:
        if pair in self._pairs:
            self._pairs.remove(pair)
            for sock in pair.sockets.values():
                self._selector.unregister(sock)
                sock.close()
