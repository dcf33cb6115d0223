"""Echo on Twisted's epoll reactor; over TLS, if the files of a key and a certificate are given."""

# mypy: ignore-errors
# ruff: noqa: E402

from __future__ import annotations

import sys

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol


class Echo(Protocol):
    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


factory = Factory.forProtocol(Echo)
if sys.argv[1:]:
    from twisted.internet.ssl import DefaultOpenSSLContextFactory

    context = DefaultOpenSSLContextFactory(*sys.argv[1:])
    port = reactor.listenSSL(0, factory, context, backlog=1024, interface="127.0.0.1")
else:
    port = reactor.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
