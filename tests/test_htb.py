"""Token buckets, and transports that send no faster than they let through."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.address import IPv4Address
from reactorlib.interfaces import IHalfCloseableProtocol
from reactorlib.protocol import Factory, Protocol
from reactorlib.protocols.basic import FileSender, LineReceiver
from reactorlib.protocols.htb import (
    Bucket,
    FilterByHost,
    FilterByServer,
    HierarchicalBucketFilter,
    ShapedConsumer,
    ShapedProtocolFactory,
    ShapedTransport,
)
from reactorlib.task import Clock
from reactorlib.testing import AccumulatingProtocol, Link, StringTransport


@pytest.fixture
def clock() -> Clock:
    return Clock()


def bucket_class(clock: Any, maxburst: int | None, rate: float | None) -> type[Bucket]:
    return type(
        "SomeBucket", (Bucket,), {"maxburst": maxburst, "rate": rate, "seconds": clock.seconds}
    )


def filter_class(base: Any, clock: Any, bucket: type[Bucket]) -> Any:
    return type("SomeFilter", (base,), {"bucketFactory": bucket, "seconds": clock.seconds})


class TestBucket:
    def test_it_holds_so_much_and_drains(self, clock: Clock) -> None:
        bucket = bucket_class(clock, 10, 2)()
        assert bucket.add(7) == 7
        assert bucket.add(7) == 3
        assert bucket.add(7) == 0
        clock.advance(2)
        assert not bucket.drip()
        assert bucket.content == 6
        assert bucket.add(7) == 4
        clock.advance(100)
        assert bucket.drip()
        assert bucket.add(20) == 10

    def test_no_limits(self, clock: Clock) -> None:
        assert Bucket().add(10**12) == 10**12
        boundless = bucket_class(clock, None, 1)()
        assert boundless.add(100) == 100
        assert not boundless.drip()
        immediate = bucket_class(clock, 10, None)()
        assert [immediate.add(20), immediate.add(20)] == [10, 10]

    def test_what_goes_in_goes_into_the_parent(self, clock: Clock) -> None:
        parent = bucket_class(clock, 10, 1)()
        one, two = (bucket_class(clock, 8, 1)(parent) for _ in range(2))
        assert one.add(20) == 8
        assert two.add(20) == 2
        assert (one.content, two.content, parent.content) == (8, 2, 10)
        clock.advance(1)
        assert two.add(20) == 1
        assert one.add(20) == 0

    def test_how_long_it_takes(self, clock: Clock) -> None:
        parent = bucket_class(clock, 10, 1)()
        child = bucket_class(clock, 8, 4)(parent)
        assert child.wait(8) == 0
        child.add(8)
        assert child.wait(1) == 0.25
        assert child.wait(4) == 2  # of the parent
        assert child.wait(100) == 8  # all that it ever holds
        assert Bucket().wait(10) == 0

    @given(
        amounts=st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 3)), max_size=30),
        maxburst=st.integers(1, 2000),
        rate=st.floats(0.1, 1000),
    )
    def test_no_more_than_the_burst_and_the_rate(
        self, amounts: list[tuple[int, float]], maxburst: int, rate: float
    ) -> None:
        clock = Clock()
        bucket = bucket_class(clock, maxburst, rate)()
        passed = 0
        for amount, pause in amounts:
            clock.advance(pause)
            fits = bucket.add(amount)
            assert 0 <= fits <= amount
            passed += fits
            assert passed <= maxburst + rate * clock.seconds() + 0.001
            wait = bucket.wait(1)
            clock.advance(wait)
            assert bucket.add(1) == 1
            passed += 1


class TestFilters:
    def test_one_bucket_for_all(self) -> None:
        filter = HierarchicalBucketFilter()
        assert filter.getBucketFor("a") is filter.getBucketFor("b", more=1)

    def test_a_bucket_for_each_host_within_one_for_each_port(self, clock: Clock) -> None:
        servers = filter_class(FilterByServer, clock, bucket_class(clock, 100, 1))()
        hosts = filter_class(FilterByHost, clock, bucket_class(clock, 10, 1))(servers)

        def bucket(host: str, port: int) -> Bucket:
            return hosts.getBucketFor(
                StringTransport(IPv4Address("TCP", "10.0.0.1", port), IPv4Address("TCP", host, 1))
            )

        first = bucket("10.1.1.1", 80)
        assert bucket("10.1.1.1", 80) is first
        second = bucket("10.1.1.2", 80)
        assert second is not first
        assert second.parentBucket is first.parentBucket
        assert first.maxburst == 10
        assert bucket("10.1.1.3", 81).parentBucket is not first.parentBucket

    def test_empty_buckets_that_nobody_uses_are_forgotten(self, clock: Clock) -> None:
        hosts = filter_class(FilterByHost, clock, bucket_class(clock, 10, 0.001))()
        transports = {
            name: StringTransport(peerAddress=IPv4Address("TCP", name, 1))
            for name in ("empty", "full", "used")
        }
        for transport in transports.values():
            hosts.getBucketFor(transport)
        hosts.getBucketFor(transports["full"]).add(9)
        hosts.getBucketFor(transports["used"]).users = 1
        clock.advance(20 * 60)
        hosts.getBucketFor(transports["used"])
        assert len(hosts.buckets) == 3
        clock.advance(1)
        hosts.getBucketFor(transports["used"])
        assert set(hosts.buckets) == {"full", "used"}


class Pusher:
    """A push producer that writes when it is told to, and notes what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def pauseProducing(self) -> None:
        self.events.append("pause")

    def resumeProducing(self) -> None:
        self.events.append("resume")

    def stopProducing(self) -> None:
        self.events.append("stop")


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
        producer = Pusher()
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
            shaped.registerProducer(Pusher(), True)
        shaped.unregisterProducer()
        shaped.write(b"x" * 20)
        assert producer.events == ["pause", "resume"]

    def test_a_full_transport_holds_it_too(self, shaped: Any, transport: Any, clock: Clock) -> None:
        producer = Pusher()
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
        producer = Pusher()
        shaped.registerProducer(producer, False)
        shaped.unregisterProducer()
        clock.advance(0)
        assert producer.events == []

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
        shaped.registerProducer(Pusher(), True)
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
        producer = Pusher()
        shaped.registerProducer(producer, True)
        shaped.write(b"x" * 200)
        transport.producer.stopProducing()
        assert producer.events == ["pause", "stop"]
        assert not clock.getDelayedCalls()
        assert bucket.users == 0
        shaped.write(b"late")
        shaped.open_tap()
        late = Pusher()
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
