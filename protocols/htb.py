"""Hierarchical token buckets: a rate for each connection, host or service, within those above.

A bucket fills with what is sent through it and drains at its rate; what does
not fit has to wait. Buckets nest: what goes into one goes into its parent too.
The design follows Martin Devera's HTB of the Linux kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from time import monotonic
from typing import Any

from reactorlib.protocols.shaping import ShapedConsumer, ShapedProtocolFactory, ShapedTransport

__all__ = [
    "Bucket",
    "FilterByHost",
    "FilterByServer",
    "HierarchicalBucketFilter",
    "ShapedConsumer",
    "ShapedProtocolFactory",
    "ShapedTransport",
]

# Of a token: less than that is an error of rounding.
DROP = 1e-6


class Bucket:
    """Holds up to `maxburst` tokens and loses `rate` of them in a second.

    None is no limit, and at once. `seconds` is the clock.
    """

    maxburst: int | None = None
    rate: float | None = None
    seconds: Callable[[], float] = staticmethod(monotonic)

    def __init__(self, parentBucket: Bucket | None = None) -> None:
        self.content = 0.0
        self.parentBucket = parentBucket
        self.lastDrip = self.seconds()
        self.users = 0

    def add(self, amount: int) -> int:
        """Add as many tokens as fit, here and in every parent; how many that were."""
        self.drip()
        fits = amount
        if self.maxburst is not None:
            fits = min(amount, int(self.maxburst - self.content + DROP))
        if self.parentBucket is not None:
            fits = self.parentBucket.add(fits)
        self.content += fits
        return fits

    def drip(self) -> bool:
        """Lose what has drained since the last time; whether the bucket is empty."""
        if self.parentBucket is not None:
            self.parentBucket.drip()
        now = self.seconds()
        drained = self.content if self.rate is None else (now - self.lastDrip) * self.rate
        self.content = max(0.0, self.content - drained)
        self.lastDrip = now
        return not self.content

    def wait(self, amount: int) -> float:
        """How many seconds it takes until so much fits, or as much as ever does."""
        room = 0.0
        if self.maxburst is not None and self.rate:
            room = self.content + min(amount, self.maxburst) - self.maxburst
            room = max(0.0, room / self.rate)
        above = self.parentBucket.wait(amount) if self.parentBucket is not None else 0.0
        return max(room, above)


class HierarchicalBucketFilter:
    """Finds the bucket for something, made by `bucketFactory` when it is first asked for.

    Every `sweepInterval` seconds empty buckets that nobody uses are forgotten;
    None is never. Those of `parentFilter` are the parents.
    """

    bucketFactory: Callable[..., Bucket] = Bucket
    sweepInterval: float | None = None
    seconds: Callable[[], float] = staticmethod(monotonic)

    def __init__(self, parentFilter: HierarchicalBucketFilter | None = None) -> None:
        self.buckets: dict[Hashable, Bucket] = {}
        self.parentFilter = parentFilter
        self.lastSweep = self.seconds()

    def getBucketFor(self, *a: Any, **kw: Any) -> Bucket:
        """The bucket for what getBucketKey takes."""
        if self.sweepInterval is not None and self.seconds() - self.lastSweep > self.sweepInterval:
            self.sweep()
        key = self.getBucketKey(*a, **kw)
        if key not in self.buckets:
            parent = self.parentFilter.getBucketFor(*a, **kw) if self.parentFilter else None
            self.buckets[key] = self.bucketFactory(parent)
        return self.buckets[key]

    def getBucketKey(self, *a: Any, **kw: Any) -> Hashable:
        """What tells buckets apart; here there is one for all."""
        return None

    def sweep(self) -> None:
        """Forget the buckets that are empty and not in use."""
        self.buckets = {
            key: bucket for key, bucket in self.buckets.items() if not bucket.drip() or bucket.users
        }
        self.lastSweep = self.seconds()


class FilterByHost(HierarchicalBucketFilter):
    """A bucket for each peer's host."""

    sweepInterval = 20 * 60

    def getBucketKey(self, transport: Any) -> Hashable:
        host: Hashable = transport.getPeer().host
        return host


class FilterByServer(HierarchicalBucketFilter):
    """A bucket for each port that is served."""

    def getBucketKey(self, transport: Any) -> Hashable:
        port: Hashable = transport.getHost().port
        return port
