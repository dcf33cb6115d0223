"""Netstrings echoed through NetstringReceiver, Twisted's or ours by the argument."""

# mypy: ignore-errors

from __future__ import annotations

import importlib
import sys

OURS = sys.argv[1] == "reactorlib"
basic = importlib.import_module("reactorlib.protocols.basic" if OURS else "twisted.protocols.basic")
Factory = importlib.import_module(
    "reactorlib.protocol" if OURS else "twisted.internet.protocol"
).Factory
reactor = importlib.import_module(sys.argv[1] if OURS else f"{sys.argv[1]}.reactor")
if OURS:
    reactor = reactor.reactor


class Echo(basic.NetstringReceiver):
    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)

    def stringReceived(self, string: bytes) -> None:
        self.sendString(string)


port = reactor.listenTCP(0, Factory.forProtocol(Echo), backlog=1024, interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
