"""TLS around a connection, which stays the same object.

To the connection the layer is its engine, and to the reactor it is the sink of
the connection's handle: it encrypts on the way down and decrypts on the way
up. So all that a transport promises is kept by the one Stream there is. The
layer holds besides:

- What is written in one turn leaves in as few records as can hold it: it is
  collected, and encrypted once, before the engine's next turn. The full records
  of a large write leave at once: if those of many connections waited, the memory
  would go back to the system and come again in every turn.
- What is written during the hand-shake waits for it. Neither a pause nor
  loseConnection stops a hand-shake that something waits for.
- `bufferedBytes` and the water marks count what waits here as well as what
  waits below, where it is ciphertext.
- The peer's end is clean only if it was announced (close_notify).
- No callback is called inside a call that the user makes.
"""

from __future__ import annotations

from collections.abc import Callable
from errno import EBADF, ECONNABORTED, ECONNRESET, ENOBUFS, EPIPE
from typing import Any

from reactorlib import error
from reactorlib.backends.events import DRAINED, EMPTIED, EOF, LOST, NOTIFY_EOF
from reactorlib.failure import Failure
from reactorlib.interfaces import IHandshakeListener
from reactorlib.sinks import guarded
from reactorlib.tlssession import RECORD, Session

# Encrypted at a time: a session's buffers grow to this size and stay.
PIECE = 4 * RECORD

NO_CAP = 2**32 - 1


class TLSLayer:
    """The engine of one connection, and the sink of its handle.

    What it does not define is the engine's own. `collect` has a layer's `flush`
    called before the engine's next turn.
    """

    __slots__ = (
        "_above",
        "_bound",
        "_cap",
        "_clean",
        "_closing",
        "_collect",
        "_deferred",
        "_doom",
        "_end_waits",
        "_engine_write",
        "_handle",
        "_high",
        "_listed",
        "_low",
        "_outstanding",
        "_paused",
        "_pending",
        "_timeout",
        "_timer",
        "_total",
        "_waiting",
        "_wrote",
        "connection",
        "engine",
        "protocol",
        "receiving",
        "session",
    )

    def __init__(
        self,
        connection: Any,
        engine: Any,
        collect: Callable[[TLSLayer], object],
        session: Session,
        timeout: float | None,
    ) -> None:
        self.engine = engine
        self.session = session
        self.receiving = True  # until the input is over
        self.protocol: Any = self
        self.connection = connection
        self._handle = handle = connection._handle
        self._engine_write = engine.write
        self._collect = collect
        self._timeout = timeout
        self._timer: Any = None
        self._pending: list[bytes] = []
        self._waiting = 0  # bytes in `_pending`
        self._listed = False  # to be flushed
        self._wrote = False  # since the engine was empty last
        self._total: int = engine.sent(handle) + engine.buffered(handle)
        self._outstanding = engine.buffered(handle)  # not less than what waits below
        self._low, self._high, self._cap = 0, 0, NO_CAP
        self._bound = 0  # the mark to be passed next: high, or cap when above high
        self._above: bool = connection._choked
        self._paused = False
        self._closing = False  # nothing more may be written
        self._clean = False  # ... nor is anything left to be said but a farewell
        self._deferred = ""  # what to do when the hand-shake is over
        self._end_waits = False  # the peer has ended; to be told after the pause
        self._doom = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def begin(self, held: list[bytes], half_ended: bool) -> None:
        """Start the hand-shake; `held` was read already, and is the peer's part of it.

        When one direction has ended, or is about to, that leads nowhere.
        """
        reactor = self.connection.reactor
        if self._timeout is not None:
            self._timer = reactor.callLater(self._timeout, self._timed_out)
        self.engine.resume(self._handle)
        self._send(self.session.output())
        if half_ended or not self._is_allowed(self._handle):
            self._soon(self._cut)
        elif held:
            self.session.keep(b"".join(held))
            self._soon(self._catch_up)

    def _catch_up(self) -> None:
        if self.receiving:
            self.dataReceived(b"")

    # What the connection asks of its engine

    def write(self, handle: int, data: bytes, size: int) -> int:
        if not isinstance(data, bytes):
            raise TypeError("an engine takes bytes")
        result: int = self._engine_write(handle, b"", 0)  # is it alive, and is this its thread?
        if result or not size:
            return result
        if self._closing:
            return -EPIPE
        self._pending.append(data)
        self._waiting += size
        self._total += size
        if size >= RECORD:
            self._encrypt(RECORD)
        if self._waiting and not self._listed:
            self._listed = True
            self._collect(self)
        return self._pass_mark() if self._waiting + self._outstanding > self._bound else 0

    def _pass_mark(self) -> int:
        """Past a mark, unless the kernel has taken something since."""
        self._outstanding = self.engine.buffered(self._handle)
        if self._waiting + self._outstanding > self._cap:
            self._doom = ENOBUFS
            self._closing = True
            self.engine.abort(self._handle)
            return -ENOBUFS
        if self._above or self._waiting + self._outstanding <= self._high:
            return 0
        self._above = True
        self._bound = self._cap
        return 1

    def set_limits(self, handle: int, low: int, high: int, cap: int) -> None:
        """The engine is to say whenever it has come down to `low`."""
        self.engine.set_limits(handle, low, low, NO_CAP)
        self._low, self._high, self._cap = low, high, cap
        self._bound = cap if self._above else high

    def buffered(self, handle: int) -> int:
        return self._waiting + int(self.engine.buffered(handle))

    def sent(self, handle: int) -> int:
        """Of what was written: never more than has left, as records are longer."""
        return self._total - self.buffered(handle)

    def notify(self, handle: int, mask: int) -> None:
        """The peer's FIN is always asked for: it tells a cut from an end."""
        self.engine.notify(handle, mask | NOTIFY_EOF)

    def pause(self, handle: int) -> None:
        """The hand-shake goes on: what comes after it is kept by the connection."""
        if self.session.shaking:
            self.engine.resume(handle)
        else:
            self.engine.pause(handle)
        self._paused = True

    def resume(self, handle: int) -> None:
        self.engine.resume(handle)
        self._paused = False
        if self._end_waits:
            self._soon(self._end_after_pause)

    def lose(self, handle: int) -> None:
        """Without anything to deliver, a hand-shake need not be finished."""
        if self._is_allowed(handle) and self._waiting and self.session.shaking:
            self._closing = True
            self._deferred = "lose"
            return
        self._take_leave(handle)
        self.engine.lose(handle)

    def shut(self, handle: int) -> None:
        if self._is_allowed(handle) and self.session.shaking:
            self._closing = True
            self._deferred = self._deferred or "shut"
            return
        self._take_leave(handle)
        self.engine.shut(handle)

    def _is_allowed(self, handle: int) -> bool:
        """Whether the engine still takes something. Raises RuntimeError in a wrong thread."""
        result = self._engine_write(handle, b"", 0)
        if result not in (0, -EBADF, -EPIPE):
            self.engine.explain_write(result)
        return bool(result == 0 and self.session.fault is None)

    def _take_leave(self, handle: int) -> None:
        """Send what waits, and then that nothing more will come."""
        self._closing = True
        self._clean = self.session.input_over and not self.buffered(handle)
        if self._is_allowed(handle):
            self._encrypt()
            self._send(self.session.close())

    # The way out

    def flush(self) -> None:
        """Encrypt what was written in this turn."""
        self._listed = False
        self._encrypt()
        if self._above:
            self._soon(self._look_whether_drained)

    def _encrypt(self, unit: int = 1) -> None:
        """All that waits, as far as it fills units of that size, if it is possible now."""
        pending, session = self._pending, self.session
        if not pending or session.shaking or session.fault is not None:
            return
        data = pending[0] if len(pending) == 1 else b"".join(pending)
        self._waiting = len(data) % unit
        end = len(data) - self._waiting
        self._pending = [data[end:]] if self._waiting else []
        self._wrote = True
        if len(data) <= PIECE and not self._waiting:
            self._send(session.encrypt(data))
            return
        view = memoryview(data)
        for start in range(0, end, PIECE):
            self._send(session.encrypt(view[start : min(start + PIECE, end)]))

    def _send(self, ciphertext: bytes) -> None:
        size = len(ciphertext)
        self._outstanding += size
        result = self._engine_write(self._handle, ciphertext, size)
        if result not in (0, 1, -EBADF, -EPIPE):
            self.engine.explain_write(result)

    def _look_whether_drained(self) -> None:
        """The engine tells when it comes down to the low mark, not when it never was above."""
        if self._above and self.buffered(self._handle) <= self._low:
            self._above = False
            self._bound = self._high
            self.connection.event(DRAINED, 0, 0)

    # Sink

    def dataReceived(self, ciphertext: bytes) -> None:
        session = self.session
        shaking = session.shaking
        plaintext = session.receive(ciphertext)
        output = session.output()
        if output:
            self._send(output)
        if shaking and not session.shaking:
            self._shaken()
        if plaintext:
            connection = self.connection
            if connection.receiving:
                connection.protocol.dataReceived(plaintext)
            else:
                connection.hold(plaintext)
        if self.receiving and (session.input_over or session.fault is not None):
            self._input_over()

    def hold(self, data: bytes) -> None:
        """What comes after the end of the input is nothing."""

    def event(self, kind: int, first: int, second: int) -> None:
        if kind == LOST:
            self._lost(first, second)
        elif kind == EOF:
            self._cut()
        elif kind == DRAINED:
            self._look_whether_drained()
        elif kind != EMPTIED or self._is_emptied():
            self.connection.event(kind, first, second)

    def raised(self, failure: Failure) -> None:
        self.connection.raised(failure)

    def leave(self) -> None:
        self.connection.leave()

    def abandon(self) -> None:
        self.connection.abandon()

    def __repr__(self) -> str:
        return repr(self.connection)

    def _is_emptied(self) -> bool:
        """Whether it was the user's data that left, and all of it."""
        emptied = self._wrote and not self._waiting
        self._wrote = self._wrote and not emptied
        return emptied

    def _shaken(self) -> None:
        """The hand-shake is done: what has waited for it goes on."""
        self._stop_timer()
        connection = self.connection
        if self._paused:
            self.engine.pause(self._handle)
        if not connection.disconnecting and IHandshakeListener.providedBy(connection.protocol):
            connection.protocol.handshakeCompleted()
        self.flush()
        if self._deferred:
            getattr(self, self._deferred)(self._handle)

    def _input_over(self) -> None:
        """By the peer's announcement, or by a fault."""
        self.receiving = False
        fault = self.session.fault
        if fault is not None:
            self._fail(fault)
        elif self._paused:
            self._end_waits = True
        else:
            self.connection.event(EOF, 0, 0)

    def _end_after_pause(self) -> None:
        if self._end_waits and not self._paused and self.connection.connected:
            self._end_waits = False
            self.connection.event(EOF, 0, 0)

    def _soon(self, callable: Callable[[], object]) -> None:
        """Call in the next turn; what it raises costs this connection."""
        connection = self.connection
        connection.reactor.callSoon(guarded, connection, callable)

    def _fail(self, fault: Exception) -> None:
        """End with the alert that was sent; at once, if the peer does not even take that."""
        failure = Failure(fault)
        if self.engine.buffered(self._handle) > RECORD:
            self.connection.raised(failure)
        else:
            self.connection.end(failure)

    def _cut(self) -> None:
        """The peer's FIN. After its announcement, it says nothing new."""
        if not self.receiving or self.session.input_over or self.session.fault:
            return  # an outer turn has still to tell it
        self.receiving = False
        if self.session.shaking:
            fault = error.HandshakeCutError()
            self.session.fault = fault
            self.connection.end(Failure(fault))
        elif self.connection.disconnecting:
            self.connection.leave()
        else:
            self.connection.end(Failure(error.ConnectionTruncated()))

    def _timed_out(self) -> None:
        self._timer = None
        fault = error.HandshakeTimeoutError(string=f"{self._timeout:g} seconds")
        self.connection.raised(Failure(fault))

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _lost(self, number: int, unsent: int) -> None:
        self._stop_timer()
        self._closing = True
        self._pending = []
        unsent += self._waiting
        self._waiting = 0
        if number == ECONNABORTED and self._doom:
            number = self._doom
        elif self._clean and number in (EPIPE, ECONNRESET):
            number = 0  # it announced its end and did not wait for ours
        try:
            self.connection.event(LOST, number, unsent)
        finally:
            self.protocol = None
            self.connection.end_tls()
