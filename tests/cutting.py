"""A network that breaks once: what passes it ends after so many bytes of an answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"


class Cutting:
    """Connections to `target`, each as it is, but for the first that answers so much.

    `count` is how many there were.
    """

    def __init__(self, target: tuple[str, int], after: int) -> None:
        self._target = target
        self._left = after
        self._lock = threading.Lock()
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.count = 0
        self.cuts = 0

    def serve(self) -> None:
        with suppress(OSError):  # closed: it is over
            while True:
                client, _ = self._listener.accept()
                self.count += 1
                server = socket.create_connection(self._target)
                for source, sink in ((client, server), (server, client)):
                    pass_on = self._pass_on if sink is server else self._pass_on_and_cut
                    threading.Thread(target=pass_on, args=(source, sink), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def _pass_on_and_cut(self, source: socket.socket, sink: socket.socket) -> None:
        passed = 0
        with source, sink, suppress(OSError):
            while data := source.recv(65_536):
                passed += len(data)
                sink.sendall(data)
                if self._is_cut(passed):
                    sink.shutdown(socket.SHUT_RDWR)
                    source.shutdown(socket.SHUT_RDWR)

    def _is_cut(self, passed: int) -> bool:
        with self._lock:
            cut = self.cuts == 0 and passed > self._left
            self.cuts += cut
            return cut


@contextmanager
def cutting(target: tuple[str, int], after: int) -> Iterator[Cutting]:
    """A Cutting that serves."""
    relay = Cutting(target, after)
    thread = threading.Thread(target=relay.serve)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join(20)
        assert not thread.is_alive()
