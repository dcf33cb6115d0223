"""What spawning.py does, on asyncio's loop or, asked for as the argument, on uvloop's."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter_ns, process_time_ns

import uvloop

COUNT = 1_000
AT_A_TIME = 20


class Short(asyncio.SubprocessProtocol):
    def __init__(self, done: asyncio.Future) -> None:
        self.done = done
        self.pipes = {0, 1, 2}
        self.exited = False

    def connection_made(self, transport: asyncio.SubprocessTransport) -> None:
        self.transport = transport

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.pipes.discard(fd)
        self.end_if_over()

    def process_exited(self) -> None:
        assert self.transport.get_returncode() == 0
        self.exited = True
        self.end_if_over()

    def end_if_over(self) -> None:
        if self.exited and not self.pipes:
            self.transport.close()
            self.done.set_result(None)


async def some(count: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(count):
        done = loop.create_future()
        await loop.subprocess_exec(lambda done=done: Short(done), "/bin/true", env={})
        await done


async def main() -> None:
    begun = perf_counter_ns(), process_time_ns()
    await asyncio.gather(*(some(COUNT // AT_A_TIME) for _ in range(AT_A_TIME)))
    wall, processor = perf_counter_ns() - begun[0], process_time_ns() - begun[1]
    print(json.dumps({"operations": COUNT, "nanoseconds": processor, "wall": wall}))


if sys.argv[1] == "uvloop":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
