"""A Deferred with ten callbacks, made, filled and fired. The argument is its package."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from time import process_time_ns

COUNT = 100_000

Deferred = import_module(f"{sys.argv[1]}.defer").Deferred


def same(result: object) -> object:
    return result


def run(count: int) -> None:
    for _ in range(count):
        deferred = Deferred()
        for _ in range(10):
            deferred.addCallback(same)
        deferred.callback(None)


run(COUNT // 10)
begun = process_time_ns()
run(COUNT)
print(json.dumps({"operations": COUNT, "nanoseconds": process_time_ns() - begun}))
