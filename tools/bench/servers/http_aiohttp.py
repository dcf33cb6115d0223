"""Hello world and echo by aiohttp's server, on uvloop's loop."""

# mypy: ignore-errors

from __future__ import annotations

import asyncio

import uvloop
from aiohttp import web

HELLO = b"Hello, World!\n"


async def hello(request: web.Request) -> web.Response:
    return web.Response(body=HELLO, content_type="text/plain")


async def echo(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_type = "text/plain"
    response.content_length = request.content_length
    await response.prepare(request)
    async for data in request.content.iter_any():
        await response.write(data)
    return response


async def main() -> None:
    application = web.Application()
    application.add_routes([web.get("/", hello), web.post("/", echo)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
asyncio.run(main())
