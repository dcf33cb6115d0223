"""Echo on this project's reactor, with the backend that the argument names.

Over TLS, if the files of a key and a certificate are given, too.
"""

# mypy: ignore-errors
# ruff: noqa: E402

from __future__ import annotations

import sys

from reactorlib import backends

backends.install(sys.argv[1])

from reactorlib import reactor
from reactorlib.protocol import Factory, Protocol


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


factory = Factory.forProtocol(Echo)
if sys.argv[2:]:
    from reactorlib.ssl import CertificateOptions

    options = CertificateOptions(*sys.argv[2:])
    port = reactor.listenSSL(0, factory, options, backlog=1024, interface="127.0.0.1")
else:
    port = reactor.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
