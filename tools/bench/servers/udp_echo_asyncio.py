"""UDP echo on asyncio's loop or, asked for as the argument, on uvloop's."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import sys

import uvloop


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(data, address)


async def main() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    print(transport.get_extra_info("sockname")[1], flush=True)
    await asyncio.Event().wait()


if sys.argv[1] == "uvloop":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
