"""Hello world and echo by an ASGI application; the argument names the server.

granian serves from a process of its own, whose number is printed behind the port.
"""

# mypy: ignore-errors

from __future__ import annotations

import ctypes
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

HELLO = b"Hello, World!\n"
HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(HELLO))]
PR_SET_PDEATHSIG = 1


async def application(scope, receive, send) -> None:
    if scope["method"] == "POST":
        await echo(scope, receive, send)
        return
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": HELLO})


async def echo(scope, receive, send) -> None:
    length = dict(scope["headers"])[b"content-length"]
    headers = [(b"content-type", b"text/plain"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    more = True
    while more:
        event = await receive()
        more = event.get("more_body", False)
        body = event.get("body", b"")
        await send({"type": "http.response.body", "body": body, "more_body": more})


def serve_uvicorn() -> None:
    import uvicorn

    config = uvicorn.Config(
        application,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="error",
    )
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(config).run(sockets=[listening])


def application_of_worker():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    return application


def announce(server, port: int) -> None:
    """The worker listens some time after it was started."""
    while threading.main_thread().is_alive():
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            print(port, server.wrks[0].inner.pid, flush=True)
            return
        time.sleep(0.01)


def serve_granian() -> None:
    from granian.constants import HTTPModes, Interfaces, Loops
    from granian.server import Server

    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    server = Server(
        "application",
        port=port,
        interface=Interfaces.ASGINL,
        loop=Loops.uvloop,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
    )
    threading.Thread(target=announce, args=(server, port), daemon=True).start()
    server.serve(target_loader=application_of_worker, wrap_loader=False)


def serve_reactorlib() -> None:
    from reactorlib import reactor
    from reactorlib.protocols.http.asgi import ASGIResource
    from reactorlib.protocols.http.server import Site

    site = Site(ASGIResource(reactor, application), maxRequests=5000)
    port = reactor.listenTCP(0, site, backlog=1024, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


SERVERS = {"uvicorn": serve_uvicorn, "granian": serve_granian, "reactorlib": serve_reactorlib}
SERVERS[sys.argv[1]]()
