"""A line between a process and PostgreSQL that can be stalled and cut."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

WAYS = UP, DOWN = "up", "down"
"""To the server, and back."""


class Wire:
    """Passes bytes both ways on a port of its own, until it is told otherwise."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._flowing = {way: threading.Event() for way in WAYS}
        self.flow()
        self._sockets: set[socket.socket] = set()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self, *ways: str) -> None:
        """Hold back everything, both ways or one; nobody is told."""
        for way in ways or WAYS:
            self._flowing[way].clear()

    def flow(self) -> None:
        """Let it pass again, what was held back too."""
        for flowing in self._flowing.values():
            flowing.set()

    def cut(self) -> None:
        """End every connection; new ones are let in."""
        for one in list(self._sockets):
            self._end(one)

    def close(self) -> None:
        """Cut, and let none in any more."""
        self._door.close()
        self.cut()
        self.flow()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                near.close()
                continue
            self._sockets |= {near, far}
            for way, source, sink in ((UP, near, far), (DOWN, far, near)):
                threading.Thread(target=self._pass, args=(way, source, sink), daemon=True).start()

    def _pass(self, way: str, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(65_536):
                self._flowing[way].wait()
                sink.sendall(content)
        self._flowing[way].wait()
        for one in (source, sink):
            self._end(one)

    def _end(self, one: socket.socket) -> None:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
        self._sockets.discard(one)


@contextmanager
def wire(target: int) -> Iterator[Wire]:
    """A line to a port of this machine."""
    made = Wire(target)
    try:
        yield made
    finally:
        made.close()
