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
        self._after = after
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
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            asking = threading.Thread(target=self._pass_on, args=(client, server, False))
            asking.start()
            self._pass_on(server, client, True)
            asking.join()

    def _pass_on(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        """Up to the end of one direction, the other goes on; a reset is an end, too."""
        with suppress(OSError):
            self._copy(source, sink, answers)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _copy(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        passed = 0
        while data := source.recv(65_536):
            passed += len(data)
            sink.sendall(data)
            if answers and self._is_cut(passed):
                sink.shutdown(socket.SHUT_RDWR)

    def _is_cut(self, passed: int) -> bool:
        with self._lock:
            cut = self.cuts == 0 and passed > self._after
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
