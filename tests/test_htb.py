"""Token buckets, and the filters that find them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.address import IPv4Address
from reactorlib.protocols.htb import (
    Bucket,
    FilterByHost,
    FilterByServer,
    HierarchicalBucketFilter,
)
from reactorlib.task import Clock
from reactorlib.testing import StringTransport


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
        hosts.getBucketFor(transports["full"])
        assert len(hosts.buckets) == 3
        clock.advance(1)
        hosts.getBucketFor(transports["full"])
        assert set(hosts.buckets) == {"full", "used"}
        assert hosts.lastSweep == clock.seconds()
