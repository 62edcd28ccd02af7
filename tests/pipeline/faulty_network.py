"""A network between a program and a server on this machine that fails as it is told to."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

BUSY = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class FaultyNetwork:
    """Carries connections to a port.

    Args:
        server: The port.

    Attributes:
        port: Where programs connect instead.
        carried: Bytes that went to the server so far.
        cuts: How often the connections were cut.
        refused: How many connections were closed at once because the network was down.
        busy: How many further connections are answered with 503.
    """

    def __init__(self, server: int) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.carried, self.cuts, self.refused, self.busy = 0, 0, 0, 0
        self._cut_at: float = float("inf")
        self._outage, self._down_until = 0.0, 0.0
        self._open: set[socket.socket] = set()

    def cut_after(self, size: int, outage: float) -> None:
        """Cut all connections once so many more bytes went by; stay down for some seconds."""
        self._cut_at, self._outage = self.carried + size, outage

    def mend(self) -> None:
        """Carry again."""
        self._cut_at, self._down_until = float("inf"), 0.0

    def serve(self) -> None:
        """Carry until the listener is closed."""
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=self._accept, args=(self._listener.accept()[0],), daemon=True
                ).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._hang_up()

    def _accept(self, client: socket.socket) -> None:
        if time.monotonic() < self._down_until:
            self.refused += 1
            client.close()
            return
        if self.busy:
            self.busy -= 1
            with suppress(OSError), client:
                client.recv(65536)
                client.sendall(BUSY)
            return
        server = socket.create_connection(("127.0.0.1", self._server))
        self._open |= {client, server}
        threading.Thread(target=self._carry, args=(server, client, False), daemon=True).start()
        self._carry(client, server, True)

    def _carry(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(4096):
                if counted:
                    self.carried += len(data)
                    if self.carried > self._cut_at:
                        self._cut()
                        return
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        self._cut_at = float("inf")
        self._down_until = time.monotonic() + self._outage
        self.cuts += 1
        self._hang_up()

    def _hang_up(self) -> None:
        for end in list(self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()


@contextmanager
def faulty_network(server: int) -> Iterator[FaultyNetwork]:
    """A network to a port, in this process."""
    network = FaultyNetwork(server)
    threading.Thread(target=network.serve, daemon=True).start()
    try:
        yield network
    finally:
        network.close()
