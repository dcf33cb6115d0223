"""A coroutine that awaits a Deferred which fires later. The argument is its package."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from time import process_time_ns
from typing import Any

COUNT = 100_000

Deferred = import_module(f"{sys.argv[1]}.defer").Deferred


async def waits(deferred: Any) -> object:
    return await deferred


def run(count: int) -> None:
    for _ in range(count):
        deferred = Deferred()
        Deferred.fromCoroutine(waits(deferred))
        deferred.callback(None)


run(COUNT // 10)
begun = process_time_ns()
run(COUNT)
print(json.dumps({"operations": COUNT, "nanoseconds": process_time_ns() - begun}))
