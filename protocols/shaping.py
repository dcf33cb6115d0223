"""A consumer that takes no more than a token bucket lets through.

What does not fit waits here, and leaves later in the same order; meanwhile the
producer is held. A loseConnection or a half close waits for it as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from zope.interface import implementer

from reactorlib.interfaces import IConsumer, IPushProducer

# What waits is sent in pieces of at least this, in bytes, if as much ever fits,
# and after this many seconds at the earliest: many small packets cost too much.
SEGMENT = 1460
SHORTEST_WAIT = 0.01


@implementer(IPushProducer)
class Tap:
    """A ShapedConsumer as its consumer sees it; to a protocol it produces something else."""

    def __init__(self, shaped: ShapedConsumer) -> None:
        self._shaped = shaped

    def pauseProducing(self) -> None:
        self._shaped.shut_tap()

    def resumeProducing(self) -> None:
        self._shaped.open_tap()

    def stopProducing(self) -> None:
        self._shaped.consumer_gone()


@implementer(IConsumer)
class ShapedConsumer:
    """Writes to `consumer` as fast as `bucket` (an htb.Bucket) fills and drains.

    `reactor` gives the time; by default it is the consumer's.
    """

    def __init__(self, consumer: Any, bucket: Any, reactor: Any = None) -> None:
        self.consumer = consumer
        self.bucket = bucket
        self._reactor = consumer.reactor if reactor is None else reactor
        self._waiting = bytearray()
        self._call: Any = None
        self._shut = False
        self._done = False
        self._producer: Any = None
        self._streaming = False
        self._held = False
        bucket.users += 1
        consumer.registerProducer(Tap(self), True)

    def write(self, data: bytes) -> None:
        if not self._done:
            self._waiting += memoryview(data)
            self._go_on()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if self._producer is not None:
            raise RuntimeError(
                f"Cannot register producer {producer!r}: {self._producer!r} is registered already."
            )
        if self._done:
            producer.stopProducing()
            return
        self._producer, self._streaming, self._held = producer, streaming, False
        self._go_on()

    def unregisterProducer(self) -> None:
        self._producer = None
        self._go_on()

    # Called by the tap

    def shut_tap(self) -> None:
        """The consumer takes no more for now."""
        self._shut = True
        self._go_on()

    def open_tap(self) -> None:
        """The consumer takes more again."""
        self._shut = False
        self._go_on()

    def consumer_gone(self) -> None:
        """The consumer takes no more, ever."""
        producer, self._producer = self._producer, None
        self._end()
        if producer is not None:
            producer.stopProducing()

    # The flow

    def _go_on(self) -> None:
        """Send what may be sent, and have the producer produce or wait accordingly."""
        if self._done:
            return
        if self._waiting and self._call is None and not self._shut:
            self._send()
        if self._producer is None:
            if not self._waiting:
                self.drained()
        elif self._streaming:
            self._hold(self._shut or bool(self._waiting))
        elif self._call is None and not self._shut:
            self._call_later(0.0, self._pull)

    def _send(self) -> None:
        amount = self.bucket.add(len(self._waiting))
        if amount:
            data = bytes(self._waiting[:amount])
            del self._waiting[:amount]
            self.consumer.write(data)
        if self._waiting:
            wait = self.bucket.wait(min(len(self._waiting), SEGMENT))
            self._call_later(max(wait, SHORTEST_WAIT), self._go_on)

    def _pull(self) -> None:
        if self._producer is not None and not self._waiting:
            self._producer.resumeProducing()  # and what it writes goes on from here
        else:
            self._go_on()

    def _call_later(self, seconds: float, function: Callable[[], object]) -> None:
        self._call = self._reactor.callLater(seconds, self._called, function)

    def _called(self, function: Callable[[], object]) -> None:
        self._call = None
        function()

    def _hold(self, held: bool) -> None:
        if held != self._held:
            self._held = held
            if held:
                self._producer.pauseProducing()
            else:
                self._producer.resumeProducing()

    def drained(self) -> None:
        """Nothing waits, and nobody produces; for a subclass that waits for this."""

    def _end(self) -> None:
        self._waiting.clear()
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if not self._done:
            self._done = True
            self.bucket.users -= 1


class ShapedTransport(ShapedConsumer):
    """A ShapedConsumer on a transport, which passes for that transport."""

    _losing = False
    _half_closing = False

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    @property
    def bufferedBytes(self) -> int:
        """Bytes written that the kernel has not taken yet; those that wait here are among them."""
        return len(self._waiting) + int(self.consumer.bufferedBytes)

    def loseConnection(self) -> None:
        """Close after what waits; the transport waits for its producer, which is this."""
        self._losing = True
        self.consumer.loseConnection()
        self._go_on()

    def loseWriteConnection(self) -> None:
        self._half_closing = True
        self._go_on()

    def drained(self) -> None:
        if self._losing:
            self._end()
            self.consumer.unregisterProducer()
        elif self._half_closing:
            self._half_closing = False
            self.consumer.loseWriteConnection()

    def handOver(self, protocol: Any, data: bytes = b"") -> None:
        """See IHandOver: the new protocol gets this transport, too."""
        connect_to_this(protocol, self)
        self.consumer.handOver(protocol, data)

    def cork(self, gatherer: object) -> bool:
        """False: every write passes through here by itself."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.consumer, name)


def connect_to_this(protocol: Any, shaped: ShapedTransport) -> None:
    """When the protocol is given any transport, let it have that one."""
    connect = protocol.makeConnection
    protocol.makeConnection = lambda transport: connect(shaped)


class ShapedProtocolFactory:
    """Makes protocols whose transports are shaped: `factory.protocol = ShapedProtocolFactory(…)`.

    `protoClass` makes a protocol, `bucketFilter` finds the bucket for a transport.
    """

    def __init__(self, protoClass: Callable[..., Any], bucketFilter: Any) -> None:
        self.protocol = protoClass
        self.bucketFilter = bucketFilter

    def __call__(self, *a: Any, **kw: Any) -> Any:
        """A protocol; the arguments are its class's."""
        protocol = self.protocol(*a, **kw)
        protocol.makeConnection = partial(self._connect, protocol.makeConnection)
        return protocol

    def _connect(self, connect: Callable[[Any], None], transport: Any) -> None:
        connect(ShapedTransport(transport, self.bucketFilter.getBucketFor(transport)))
