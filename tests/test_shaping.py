"""Transports that send no faster than a token bucket lets through."""

from __future__ import annotations

import io
from typing import Any

import pytest

from reactorlib.interfaces import IHalfCloseableProtocol
from reactorlib.protocol import Factory, Protocol
from reactorlib.protocols.basic import FileSender, LineReceiver
from reactorlib.protocols.htb import (
    Bucket,
    FilterByHost,
    HierarchicalBucketFilter,
    ShapedConsumer,
    ShapedProtocolFactory,
    ShapedTransport,
)
from reactorlib.task import Clock
from reactorlib.testing import AccumulatingProtocol, Link, StringTransport
from tests.test_htb import bucket_class, filter_class
from tests.wrapped import Producer


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestShapedTransport:
    @pytest.fixture
    def bucket(self, clock: Clock) -> Bucket:
        return bucket_class(clock, 100, 10)()

    @pytest.fixture
    def transport(self, clock: Clock) -> StringTransport:
        return StringTransport(reactor=clock)

    @pytest.fixture
    def shaped(self, transport: Any, bucket: Bucket) -> ShapedTransport:
        return ShapedTransport(transport, bucket)

    def test_what_fits_passes_at_once_and_the_rest_by_and_by(
        self, shaped: Any, transport: Any, clock: Clock
    ) -> None:
        data = bytes(range(250))
        shaped.write(data[:130])
        shaped.writeSequence([data[130:140], data[140:]])
        assert transport.value() == data[:100]
        assert shaped.bufferedBytes == 150
        for _ in range(9):
            clock.advance(1)
        assert len(transport.value()) <= 190
        clock.pump([0.5] * 20)
        assert transport.value() == data
        assert shaped.bufferedBytes == 0
        assert not clock.getDelayedCalls()

    def test_only_bytes(self, shaped: Any) -> None:
        with pytest.raises(TypeError):
            shaped.write("text")

    def test_it_does_not_wake_for_a_few_bytes(self, shaped: Any, clock: Clock) -> None:
        shaped.bucket.rate = 1_000_000.0
        shaped.bucket.maxburst = 2000
        shaped.write(b"x" * 2010)
        (call,) = clock.getDelayedCalls()
        assert call.getTime() == pytest.approx(0.01)
        shaped.write(b"x" * 10)
        assert clock.getDelayedCalls() == [call]

    def test_a_push_producer_is_held_while_something_waits(self, shaped: Any, clock: Clock) -> None:
        producer = Producer()
        shaped.registerProducer(producer, True)
        shaped.write(b"x" * 100)
        assert producer.events == []
        shaped.write(b"x" * 20)
        assert producer.events == ["pause"]
        clock.pump([1, 0.9])
        assert producer.events == ["pause"]
        clock.advance(0.2)
        assert producer.events == ["pause", "resume"]
        with pytest.raises(RuntimeError, match="registered already"):
            shaped.registerProducer(Producer(), True)
        shaped.unregisterProducer()
        shaped.write(b"x" * 20)
        assert producer.events == ["pause", "resume"]

    def test_a_full_transport_holds_it_too(self, shaped: Any, transport: Any, clock: Clock) -> None:
        producer = Producer()
        shaped.registerProducer(producer, True)
        transport.block()
        shaped.setWriteBufferLimits(high=10)
        shaped.write(b"x" * 50)
        assert producer.events == ["pause"]
        shaped.write(b"x" * 100)
        clock.advance(100)
        assert len(transport.value()) == 50
        transport.unblock()
        assert len(transport.value()) == 150
        assert producer.events == ["pause", "resume"]

    def test_a_pull_producer_is_asked_when_nothing_waits(
        self, shaped: Any, transport: Any, clock: Clock
    ) -> None:
        sender = FileSender()
        sender.CHUNK_SIZE = 60
        done = sender.beginFileTransfer(io.BytesIO(b"x" * 180), shaped)
        clock.advance(0)
        clock.advance(0)
        assert len(transport.value()) == 100
        clock.advance(1.9)
        clock.advance(1.9)
        assert not done.called
        clock.pump([1] * 10)
        assert len(transport.value()) == 180
        assert done.called
        assert not clock.getDelayedCalls()

    def test_a_pull_producer_that_left_is_not_asked(self, shaped: Any, clock: Clock) -> None:
        producer = Producer()
        shaped.registerProducer(producer, False)
        shaped.unregisterProducer()
        clock.advance(0)
        assert producer.events == []

    def test_a_pull_producer_is_not_asked_while_something_waits(
        self, shaped: Any, clock: Clock
    ) -> None:
        producer = Producer()
        shaped.registerProducer(producer, False)
        shaped.write(b"x" * 110)
        clock.advance(0)
        assert producer.events == []
        clock.pump([1.1, 0])
        assert producer.events == ["resume"]

    def test_much_that_waits_leaves_evenly(self, transport: Any, clock: Clock) -> None:
        shaped = ShapedTransport(transport, bucket_class(clock, 100_000, 10_000)())
        shaped.write(b"x" * 200_000)
        assert len(transport.value()) == 100_000
        clock.pump([0.15] * 10)
        assert 110_000 < len(transport.value()) <= 115_000

    def test_an_end_waits_for_the_rest(
        self, shaped: Any, transport: Any, clock: Clock, bucket: Bucket
    ) -> None:
        assert bucket.users == 1
        shaped.write(b"x" * 110)
        shaped.loseConnection()
        assert shaped.disconnecting
        assert transport.producer is not None
        clock.advance(1.1)
        assert len(transport.value()) == 110
        assert transport.producer is None
        assert bucket.users == 0
        shaped.write(b"late")
        assert len(transport.value()) == 110

    def test_an_end_waits_for_a_producer(self, shaped: Any, transport: Any) -> None:
        shaped.registerProducer(Producer(), True)
        shaped.loseConnection()
        assert transport.producer is not None
        shaped.unregisterProducer()
        assert transport.producer is None

    def test_a_half_close_waits_for_the_rest(self, clock: Clock, bucket: Bucket) -> None:
        ended: list[int] = []

        class Told(StringTransport):
            def loseWriteConnection(self) -> None:
                ended.append(len(self.value()))

        shaped = ShapedTransport(Told(reactor=clock), bucket)
        shaped.write(b"x" * 110)
        shaped.loseWriteConnection()
        assert not ended
        clock.advance(1.1)
        shaped.unregisterProducer()
        assert ended == [110]

    def test_a_lost_connection_ends_everything(
        self, shaped: Any, transport: Any, clock: Clock, bucket: Bucket
    ) -> None:
        producer = Producer()
        shaped.registerProducer(producer, True)
        shaped.write(b"x" * 200)
        transport.producer.stopProducing()
        assert producer.events == ["pause", "stop"]
        assert not clock.getDelayedCalls()
        assert bucket.users == 0
        shaped.write(b"late")
        shaped.open_tap()
        late = Producer()
        shaped.registerProducer(late, True)
        assert late.events == ["stop"]
        transport.producer.stopProducing()
        assert bucket.users == 0

    def test_a_connection_that_is_lost_by_a_write(self, clock: Clock, bucket: Bucket) -> None:
        class Breaking(StringTransport):
            def write(self, data: bytes) -> None:
                self.producer.stopProducing()

        shaped = ShapedTransport(Breaking(reactor=clock), bucket)
        shaped.write(b"x" * 200)
        assert not clock.getDelayedCalls()

    def test_reading_is_not_its_business(self, shaped: Any, transport: Any) -> None:
        shaped.pauseProducing()
        assert transport.producerState == "paused"
        shaped.resumeProducing()
        assert transport.producerState == "producing"
        assert shaped.getPeer() == transport.getPeer()

    def test_a_line_receiver_is_not_corked(self, transport: Any, bucket: Bucket) -> None:
        class Lines(LineReceiver):
            def lineReceived(self, line: bytes) -> None:
                self.sendLine(line)

        lines = Lines()
        lines.makeConnection(ShapedTransport(transport, bucket))
        lines.dataReceived(b"a\r\n" * 50)
        assert transport.value() == (b"a\r\n" * 50)[:100]

    def test_a_consumer_that_is_no_transport(self, clock: Clock, bucket: Bucket) -> None:
        class Consumer:
            def __init__(self) -> None:
                self.data = b""

            def registerProducer(self, producer: Any, streaming: bool) -> None:
                assert streaming

            def write(self, data: bytes) -> None:
                self.data += data

        consumer = Consumer()
        shaped = ShapedConsumer(consumer, bucket, clock)
        shaped.write(b"x" * 110)
        assert len(consumer.data) == 100
        clock.advance(1.1)
        assert len(consumer.data) == 110


class TestShapedProtocolFactory:
    def test_connections_share_what_their_bucket_lets_through(self) -> None:
        """Two clients of one host, on a simulated network: 1000 bytes a second for both."""

        class Sending(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(b"x" * 5000)
                self.transport.loseConnection()

        link = Link(seed=1)
        hosts = filter_class(FilterByHost, link.clock, bucket_class(link.clock, 1000, 1000))()
        factory = Factory()
        factory.protocol = ShapedProtocolFactory(Sending, hosts)
        clients = [AccumulatingProtocol() for _ in range(2)]
        for client in clients:
            link.connect(client, factory.buildProtocol(None))
        for seconds in range(1, 9):
            link.advance(1)
            received = sum(len(client.data) for client in clients)
            assert received <= 1000 * (seconds + 1)
            assert received >= 1000 * seconds
        link.advance(3)
        assert [len(client.data) for client in clients] == [5000, 5000]
        assert all(client.closed for client in clients)
        assert next(iter(hosts.buckets.values())).users == 0

    def test_a_protocol_that_takes_over_is_shaped_as_well(self) -> None:
        class After(AccumulatingProtocol):
            def connectionMade(self) -> None:
                self.transport.write(b"y" * 15)

        class Before(Protocol):
            def dataReceived(self, data: bytes) -> None:
                self.transport.handOver(after, b"rest")

        after = After()
        link = Link(seed=2)
        filter = filter_class(
            HierarchicalBucketFilter, link.clock, bucket_class(link.clock, 10, 10)
        )()
        client = AccumulatingProtocol()
        link.connect(client, ShapedProtocolFactory(Before, filter)())
        client.transport.write(b"x")
        link.advance(0.3)
        assert after.data == b"rest"
        assert len(client.data) == 10
        link.advance(1)
        assert len(client.data) == 15
        assert not IHalfCloseableProtocol.providedBy(after)
