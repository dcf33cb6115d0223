"""Echo on asyncio's loop or, asked for as the argument, on uvloop's.

Over TLS, if the files of a key and a certificate are given, too.
"""

# mypy: ignore-errors

from __future__ import annotations

import asyncio
import ssl
import sys

import uvloop


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


def context(key: str, certificate: str) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made


async def main() -> None:
    loop = asyncio.get_running_loop()
    tls = context(*sys.argv[2:]) if sys.argv[2:] else None
    server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1024, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if sys.argv[1] == "uvloop":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
