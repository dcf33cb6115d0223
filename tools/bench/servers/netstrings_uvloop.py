"""Netstrings echoed by hand on uvloop, with no check that a real one needs."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio

import uvloop


class Netstrings(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        data, place = self.rest + data, 0
        while (colon := data.find(b":", place)) > 0:
            end = colon + 1 + int(data[place:colon])
            if end >= len(data):
                break
            self.transport.write(b"%d:%b," % (end - colon - 1, data[colon + 1 : end]))
            place = end + 1
        self.rest = data[place:]


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Netstrings, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


uvloop.run(main())
