"""Hello world by a WSGI application; the argument names the server.

gunicorn serves from a process of its own, whose number is printed behind the port.
"""

# mypy: ignore-errors

from __future__ import annotations

import logging
import os
import socket
import sys

HELLO = b"Hello, World!\n"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))]
THREADS = 10


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [HELLO]


def serve_gunicorn() -> None:
    from gunicorn.app.base import BaseApplication

    def announce(worker) -> None:
        print(worker.sockets[0].getsockname()[1], os.getpid(), flush=True)

    class Server(BaseApplication):
        def load_config(self) -> None:
            settings = {
                "bind": ["127.0.0.1:0"],
                "worker_class": "gthread",
                "workers": 1,
                "threads": THREADS,
                "keepalive": 75,
                "worker_connections": 5000,
                "loglevel": "critical",
                "post_worker_init": announce,
            }
            for name, value in settings.items():
                self.cfg.set(name, value)

        def load(self):
            return application

    Server().run()


def serve_waitress() -> None:
    from waitress.server import create_server

    logging.getLogger("waitress").setLevel(logging.ERROR)  # it would warn of every queue
    listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listening.getsockname()[1], flush=True)
    create_server(application, sockets=[listening], threads=THREADS, connection_limit=5000).run()


def serve_reactorlib() -> None:
    from reactorlib import reactor
    from reactorlib.protocols.http.server import Site
    from reactorlib.protocols.http.wsgi import WSGIResource

    pool = reactor.getThreadPool()
    pool.adjustPoolsize(maxthreads=THREADS)
    site = Site(WSGIResource(reactor, pool, application), maxRequests=5000)
    port = reactor.listenTCP(0, site, backlog=1024, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()


SERVERS = {"gunicorn": serve_gunicorn, "waitress": serve_waitress, "reactorlib": serve_reactorlib}
SERVERS[sys.argv[1]]()
