"""Tells everybody the time ten times a second. Serve it: reactorlib run examples/ticker.py:start

A visitor who does not read is left out until he has read what there is, so that
he costs no more memory than the high-water mark.
"""

import time

from reactorlib.protocol import Factory, Protocol
from reactorlib.task import LoopingCall


class Visitor(Protocol):
    listening = True

    def connectionMade(self):
        self.factory.visitors.add(self)
        self.transport.registerProducer(self, True)

    def pauseProducing(self):
        self.listening = False

    def resumeProducing(self):
        self.listening = True

    def stopProducing(self):
        self.listening = False

    def connectionLost(self, reason):
        self.factory.visitors.discard(self)


class Ticker(Factory):
    protocol = Visitor

    def __init__(self):
        self.visitors = set()

    def tick(self):
        line = b"%.1f\n" % time.time()
        for visitor in self.visitors:
            if visitor.listening:
                visitor.transport.write(line)


def start(reactor):
    ticker = Ticker()
    port = reactor.listenTCP(0, ticker, interface="127.0.0.1")
    print(f"ticker on 127.0.0.1:{port.getHost().port} ({reactor.name})", flush=True)
    LoopingCall(ticker.tick).start(0.1)
