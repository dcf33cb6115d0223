"""Echo on gevent: a greenlet for each connection."""

# mypy: ignore-errors

from __future__ import annotations

from socket import IPPROTO_TCP, TCP_NODELAY

from gevent.server import StreamServer
from gevent.socket import socket


def echo(connection: socket, address: object) -> None:
    connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    while data := connection.recv(65536):
        connection.sendall(data)


server = StreamServer(("127.0.0.1", 0), echo, backlog=1024)
server.start()
print(server.server_port, flush=True)
server.serve_forever()
