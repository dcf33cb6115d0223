"""Lines echoed by hand on uvloop: split, and write each one, or (`joined`) all at once."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import sys

import uvloop


class Lines(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\r\n")
        for line in lines:
            self.transport.write(line + b"\r\n")


class Joined(Lines):
    def data_received(self, data: bytes) -> None:
        *lines, self.rest = (self.rest + data).split(b"\r\n")
        self.transport.write(b"".join([line + b"\r\n" for line in lines]))


async def main() -> None:
    protocol = Joined if "joined" in sys.argv[1:] else Lines
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


uvloop.run(main())
