"""callLater and cancel in a running reactor, while 100,000 other calls wait.

The argument is the package whose reactor it is. Pairs are made in batches of a
thousand, one batch for each turn of the loop, so that what a library puts off
to the turn is counted too. Processor time, from the scheduler.
"""

from __future__ import annotations

import json
import random
import sys
from time import process_time_ns

PENDING = 100_000
BATCH = 1_000
PAIRS = 300_000

reactor = __import__(sys.argv[1], fromlist=["reactor"]).reactor
delays = [random.Random(1).uniform(100, 1000) for _ in range(BATCH)]


def nothing() -> None:
    pass


def batch(remaining: int, begun: int) -> None:
    for delay in delays:
        reactor.callLater(delay, nothing).cancel()
    if remaining > BATCH:
        reactor.callLater(0, batch, remaining - BATCH, begun)
        return
    print(json.dumps({"operations": PAIRS, "nanoseconds": process_time_ns() - begun}))
    reactor.stop()


seeded = random.Random(2)
for _ in range(PENDING):
    reactor.callLater(seeded.uniform(100, 1000), nothing)
reactor.callLater(0, lambda: batch(PAIRS, process_time_ns()))
reactor.run()
