"""What all datagram ports share: their life in the engine, and what they report.

It holds, whatever callbacks do:

- After stopListening no datagram is delivered; stopProtocol comes exactly once,
  and never from inside a call that the user makes.
- A callback that raises is logged once, and the port lives on.
- What was written before stopListening is sent before the socket closes. A
  datagram that the kernel refuses later is counted, and logged once a second.
"""

from __future__ import annotations

import logging
import socket
from errno import EBADF, ECONNABORTED, ENOBUFS, EPIPE
from typing import Any

from reactorlib import error
from reactorlib.address import from_sockaddr
from reactorlib.backends.events import DATAGRAM, DATAGRAM_SOCKET, LOST, REFUSED, SEND_FAILED
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.sockets import LentSocket, borrowed_socket

logger = logging.getLogger("reactorlib")

MAX_PACKET_SIZE = 8192
LOG_INTERVAL = 1.0

_LENGTH_BITS = 32
_LENGTH_MASK = (1 << _LENGTH_BITS) - 1

TO_THE_PEER = -1  # the receiver, where the socket is connected to one


class BaseDatagramPort:
    """A datagram socket under an engine's handle, as a Sink.

    A subclass says how a socket is made and bound (`_make_socket`), what is to be
    learned from it, how long a datagram may be above all (`_learn`), and who sent
    what was received (`_address`).
    """

    receiving = False

    def __init__(self, protocol: Any, maxPacketSize: int, reactor: Any) -> None:
        self.protocol = protocol
        self.maxPacketSize = maxPacketSize
        self.reactor = reactor
        self.connected = False
        self._engine = reactor.engine
        self._handle = 0
        self._adopted: socket.socket | None = None
        self._stopped: Deferred[None] | None = None
        self._stopping = False
        self._longest = 0
        self._socket: LentSocket | None = None
        self._losses = Losses(self)

    def adopt(self, sock: socket.socket) -> None:
        """Start on a socket that somebody else has opened; it is this port's from now on."""
        self._adopted = sock
        self.startListening()

    def startListening(self) -> None:
        """Bind, and start the protocol. Raises CannotListenError."""
        sock = self._adopted or self._bound_socket()
        self._adopted = None
        try:
            sock.setblocking(False)
            self._longest = self._learn(sock)
            self._handle = self._add(sock)
        except BaseException:
            sock.close()
            self._forget()
            raise
        sock.detach()
        self.reactor.sinks[self._handle] = self
        self.connected, self._stopping = True, False
        self._started()

    def _bound_socket(self) -> socket.socket:
        try:
            return self._make_socket()
        except (OSError, OverflowError, ValueError, TypeError) as cause:
            self._forget()
            raise self._cannot_listen(cause) from cause

    def _add(self, sock: socket.socket) -> int:
        try:
            handle: int = self._engine.add(sock.fileno(), DATAGRAM_SOCKET)
        except (OSError, error.SelectLimitError) as cause:
            raise self._cannot_listen(cause) from cause
        try:
            self._engine.set_longest(handle, self.maxPacketSize)
        except BaseException:
            self._engine.detach(handle)
            raise
        return handle

    def _started(self) -> None:
        """Start the protocol; if that fails there is no port."""
        try:
            self.protocol.makeConnection(self)
        except BaseException:
            del self.reactor.sinks[self._handle]
            self._engine.abort(self._handle)
            self._forget()
            raise
        logger.debug("%r starts", self)

    def stopListening(self) -> Deferred[None] | None:
        """Close, after what was written is sent. The Deferred fires when it is closed."""
        if not self.connected:
            return None
        if self._stopped is None:
            self.leave()
            self._stopped = Deferred()
        return self._stopped

    def loseConnection(self) -> None:
        """The same as stopListening."""
        self.stopListening()

    def getHost(self) -> Any:
        """The address it is bound to. Raises NotListeningError when it is not."""
        with borrowed_socket(self._descriptor()) as sock:
            return from_sockaddr(sock.family, sock.getsockname(), "UDP")

    def getHandle(self) -> socket.socket:
        """The socket, to set options on. It must not be closed or read."""
        if self._socket is None:
            self._socket = LentSocket(fileno=self._descriptor())
        return self._socket

    def fileno(self) -> int:
        """The descriptor, or -1."""
        return int(self._engine.descriptor(self._handle))

    def _descriptor(self) -> int:
        descriptor = self.fileno()
        if descriptor < 0:
            raise error.NotListeningError("this port is not listening")
        return descriptor

    # Sending

    def _send(self, data: Any, receiver: int | bytes = TO_THE_PEER) -> None:
        """Queue one datagram; the receiver as the engine takes it."""
        if not isinstance(data, bytes):
            data = _copied(data)
        size = len(data)
        if size > self._longest:
            raise error.MessageLengthError(f"{size} bytes, and {self._longest} is the most")
        if isinstance(receiver, int):
            result = self._engine.send_to(self._handle, data, size, receiver)
        else:
            result = self._engine.send_to_bytes(self._handle, data, size, receiver, len(receiver))
        if result:
            self._refused(result)

    def _refused(self, result: int) -> None:
        if result in (-EBADF, -EPIPE):
            return  # after the end
        if result == -ENOBUFS:
            raise OSError(ENOBUFS, f"the queue of {self!r} is full: the kernel takes no more now")
        self._engine.explain_write(result)

    # Sink

    def event(self, kind: int, first: int, second: int) -> None:
        if kind == DATAGRAM:
            if not self._stopping:
                start = first >> _LENGTH_BITS
                data = self._engine.arena[start : start + (first & _LENGTH_MASK)]
                self._deliver(data, self._address(second))
        elif kind == SEND_FAILED:
            self._losses.add(first, second)
        elif kind == REFUSED:
            if not self._stopping:
                self.protocol.connectionRefused()
        elif kind == LOST:
            self._lost(first)

    def _deliver(self, data: bytes, address: Any) -> None:
        self.protocol.datagramReceived(data, address)

    def hold(self, data: bytes) -> None:
        raise AssertionError("a datagram socket has no stream of data")

    def raised(self, failure: Failure) -> None:
        """Logged already; a port outlives its protocol's faults."""

    def leave(self) -> None:
        self._engine.lose(self._handle)
        self._stopping = True

    def abandon(self) -> None:
        self._engine.abort(self._handle)
        self._stopping = True

    def _lost(self, number: int) -> None:
        self.reactor.sinks.pop(self._handle, None)
        if number not in (0, ECONNABORTED):
            logger.error("%r ended: %s", self, error.ConnectionLost(number))
        self._losses.tell()
        stopped = self._stopped
        self._forget()
        try:
            self.protocol.doStop()
        finally:
            if stopped is not None:
                stopped.callback(None)

    def _forget(self) -> None:
        self.connected = False
        self._handle = 0
        self._stopped = None
        if self._socket is not None:
            self._socket.detach()
            self._socket = None

    # What a subclass says

    def _make_socket(self) -> socket.socket:
        raise NotImplementedError

    def _cannot_listen(self, cause: Exception) -> Exception:
        raise NotImplementedError

    def _learn(self, sock: socket.socket) -> int:
        raise NotImplementedError

    def _address(self, sender: int) -> Any:
        raise NotImplementedError

    def logPrefix(self) -> str:
        """The protocol's own prefix, or its class's name."""
        prefix = getattr(self.protocol, "logPrefix", None)
        return str(prefix() if prefix is not None else type(self.protocol).__name__)


class Losses:
    """Datagrams that the kernel did not take: counted, and logged once a second at most."""

    def __init__(self, port: BaseDatagramPort) -> None:
        self._port = port
        self._count = 0
        self._error = 0
        self._logged = float("-inf")

    def add(self, number: int, count: int) -> None:
        """So many were lost, the last one for that errno."""
        self._error = number
        self._count += count
        if self._port.reactor.seconds() - self._logged >= LOG_INTERVAL:
            self.tell()

    def tell(self) -> None:
        """Log what was not logged yet."""
        if self._count:
            self._logged = self._port.reactor.seconds()
            why = error.describe_errno(self._error)
            logger.warning("%r could not send %d datagram(s): %s", self._port, self._count, why)
            self._count = 0


def _copied(data: Any) -> bytes:
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    advice = "; encode it first" if isinstance(data, str) else ""
    raise TypeError(f"a datagram is bytes, not {type(data).__name__}{advice}") from None
